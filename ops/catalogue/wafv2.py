"""What is known of WAF's resource types."""

from ops.catalogue.record import Nothing, ResourceType

TYPES = (
    ResourceType("aws_wafv2_web_acl", lost=Nothing("the code makes it anew")),
    ResourceType("aws_wafv2_web_acl_association", lost=Nothing("the code makes it anew")),
    ResourceType("aws_wafv2_web_acl_logging_configuration", lost=Nothing("the code makes it anew")),
)
