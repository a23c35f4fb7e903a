"""The alarms: what they watch, when they go off, and whom they tell."""

import pytest

from lib.config.environment_config import AlarmsConfig

ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"


def test_there_are_alarms_where_the_config_asks_for_them(stack):
    assert stack.has("monitoring/topic") is (stack.config.alarms is not None)
    assert (stack.count("aws_cloudwatch_metric_alarm") > 0) is (stack.config.alarms is not None)


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_what_goes_off_when(shipped, name):
    stack = shipped(name)
    config = stack.config.alarms
    balancer = {"LoadBalancer": stack.at("load_balancer/load_balancer").ref("arn_suffix")}
    group = {"TargetGroup": stack.at("load_balancer/target_group").ref("arn_suffix")}
    tasks = {
        "ClusterName": stack.at("service/cluster").ref("name"),
        "ServiceName": stack.at("service/service").ref("name"),
    }
    database = {"DBInstanceIdentifier": stack.at("database/instance").ref("identifier")}
    tasks_wanted = {"staging": 2, "prod": 3}[name]
    free_bytes = config.database_free_storage_gib * 2**30
    expected = {
        "http_5xx_balancer": ("HTTPCode_ELB_5XX_Count", balancer, ABOVE, config.http_5xx_count),
        "http_5xx_targets": ("HTTPCode_Target_5XX_Count", balancer, ABOVE, config.http_5xx_count),
        "unhealthy_hosts": ("UnHealthyHostCount", balancer | group, ABOVE, 0),
        "service_cpu": ("CPUUtilization", tasks, ABOVE, config.service_cpu_percent),
        "service_memory": ("MemoryUtilization", tasks, ABOVE, config.service_memory_percent),
        "running_tasks": ("CPUUtilization", tasks, BELOW, tasks_wanted),
        "database_cpu": ("CPUUtilization", database, ABOVE, config.database_cpu_percent),
        "database_connections": (
            *("DatabaseConnections", database),
            *(ABOVE, config.database_connections),
        ),
        "database_storage": ("FreeStorageSpace", database, BELOW, free_bytes),
    }
    found = {
        alarm.path.removeprefix("monitoring/"): (
            alarm["metric_name"],
            alarm["dimensions"],
            alarm["comparison_operator"],
            alarm["threshold"],
        )
        for alarm in stack.all("aws_cloudwatch_metric_alarm")
    }
    assert found == expected


def test_no_task_at_all_is_an_alarm_too(shipped):
    alarm = shipped("prod").at("monitoring/running_tasks")
    assert alarm["statistic"] == "SampleCount"
    assert alarm["period"] == 60
    assert alarm["treat_missing_data"] == "breaching"


def test_no_task_is_missed_where_none_has_to_run(synthesize):
    stack = synthesize("staging", service={"desired_count": 0})
    assert not stack.has("monitoring/running_tasks")
    assert stack.has("monitoring/service_cpu")


def test_people_hear_what_rds_says_of_the_database(stack):
    asked = stack.config.alarms is not None
    assert stack.has("monitoring/database_events") is asked
    if asked:
        events = stack.at("monitoring/database_events")
        assert set(events["event_categories"]) == {
            *("failure", "failover", "maintenance", "low storage", "configuration change")
        }
        assert events["source_type"] == "db-instance"
        assert events["source_ids"] == [stack.at("database/instance").ref("identifier")]
        assert events["sns_topic"] == stack.at("monitoring/topic").ref("arn")
        assert events["depends_on"] == [stack.at("monitoring/topic_policy").address]


def test_errors_are_summed_over_five_minutes(shipped):
    for origin in ("balancer", "targets"):
        alarm = shipped("prod").at(f"monitoring/http_5xx_{origin}")
        assert (alarm["statistic"], alarm["period"], alarm["evaluation_periods"]) == ("Sum", 300, 1)


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_every_alarm_is_sent_and_taken_back(shipped, name):
    stack = shipped(name)
    topic = stack.at("monitoring/topic").ref("arn")
    for alarm in stack.all("aws_cloudwatch_metric_alarm"):
        assert alarm["alarm_actions"] == alarm["ok_actions"] == [topic]


def test_only_alarms_and_databases_of_this_account_may_publish(shipped):
    stack = shipped("prod")
    (statement,) = stack.at("monitoring/topic_policy").policy()
    account = stack.at("provider/caller").ref("account_id")
    assert statement["Principal"] == {
        "Service": ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"]
    }
    assert statement["Action"] == "sns:Publish"
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}


def test_people_are_told_by_email(synthesize):
    stack = synthesize("dev", alarms=AlarmsConfig(emails=("a@example.com", "b@example.com")))
    told = {
        (subscription["protocol"], subscription["endpoint"])
        for subscription in stack.all("aws_sns_topic_subscription")
    }
    assert told == {("email", "a@example.com"), ("email", "b@example.com")}
