"""Any config and any environment variables: good ones synthesize to what Terraform takes."""
