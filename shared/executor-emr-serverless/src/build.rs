//! A request in the types of the client.

use aws_sdk_emrserverless::error::BuildError;
use aws_sdk_emrserverless::types as sdk;

use crate::request::{
    Classification, CloudWatchLogging, DiskEncryption, Hive, JobDriver, ManagedPersistence, Mode,
    Monitoring, Overrides, Policy, Prometheus, RetryPolicy, S3Monitoring, SparkSubmit,
};

impl From<Policy> for sdk::JobRunExecutionIamPolicy {
    fn from(policy: Policy) -> Self {
        let builder = Self::builder().set_policy(policy.policy);
        builder.set_policy_arns(policy.policy_arns).build()
    }
}

/// The driver, if exactly one is set.
pub(crate) fn driver(driver: JobDriver) -> Result<Option<sdk::JobDriver>, BuildError> {
    Ok(match (driver.spark_submit, driver.hive) {
        (Some(submit), None) => Some(sdk::JobDriver::SparkSubmit(spark(submit)?)),
        (None, Some(query)) => Some(sdk::JobDriver::Hive(hive(query)?)),
        (None, None) | (Some(_), Some(_)) => None,
    })
}

fn spark(submit: SparkSubmit) -> Result<sdk::SparkSubmit, BuildError> {
    sdk::SparkSubmit::builder()
        .entry_point(submit.entry_point)
        .set_entry_point_arguments(submit.entry_point_arguments)
        .set_spark_submit_parameters(submit.spark_submit_parameters)
        .build()
}

fn hive(hive: Hive) -> Result<sdk::Hive, BuildError> {
    sdk::Hive::builder()
        .query(hive.query)
        .set_init_query_file(hive.init_query_file)
        .set_parameters(hive.parameters)
        .build()
}

pub(crate) fn overrides(overrides: Overrides) -> Result<sdk::ConfigurationOverrides, BuildError> {
    let classes = overrides
        .application_configuration
        .map(classes)
        .transpose()?;
    let monitoring = overrides
        .monitoring_configuration
        .map(monitoring)
        .transpose()?;
    let disk = overrides.disk_encryption_configuration.map(Into::into);
    Ok(sdk::ConfigurationOverrides::builder()
        .set_application_configuration(classes)
        .set_monitoring_configuration(monitoring)
        .set_disk_encryption_configuration(disk)
        .build())
}

fn classes(classes: Vec<Classification>) -> Result<Vec<sdk::Configuration>, BuildError> {
    classes.into_iter().map(class).collect()
}

fn class(class: Classification) -> Result<sdk::Configuration, BuildError> {
    let inner = class.configurations.map(classes).transpose()?;
    let properties = class.properties.map(|map| map.into_iter().collect());
    sdk::Configuration::builder()
        .classification(class.classification)
        .set_properties(properties)
        .set_configurations(inner)
        .build()
}

fn monitoring(monitoring: Monitoring) -> Result<sdk::MonitoringConfiguration, BuildError> {
    let logs = monitoring.cloud_watch_logging_configuration;
    let logs = logs.map(cloud_watch).transpose()?;
    let builder = sdk::MonitoringConfiguration::builder()
        .set_s3_monitoring_configuration(monitoring.s3_monitoring_configuration.map(Into::into))
        .set_managed_persistence_monitoring_configuration(
            monitoring
                .managed_persistence_monitoring_configuration
                .map(Into::into),
        )
        .set_cloud_watch_logging_configuration(logs)
        .set_prometheus_monitoring_configuration(
            monitoring
                .prometheus_monitoring_configuration
                .map(Into::into),
        );
    Ok(builder.build())
}

fn cloud_watch(logs: CloudWatchLogging) -> Result<sdk::CloudWatchLoggingConfiguration, BuildError> {
    sdk::CloudWatchLoggingConfiguration::builder()
        .enabled(logs.enabled)
        .set_log_group_name(logs.log_group_name)
        .set_log_stream_name_prefix(logs.log_stream_name_prefix)
        .set_encryption_key_arn(logs.encryption_key_arn)
        .set_log_types(logs.log_types.map(|types| types.into_iter().collect()))
        .build()
}

impl From<S3Monitoring> for sdk::S3MonitoringConfiguration {
    fn from(logs: S3Monitoring) -> Self {
        let builder = Self::builder().set_log_uri(logs.log_uri);
        builder
            .set_encryption_key_arn(logs.encryption_key_arn)
            .build()
    }
}

impl From<ManagedPersistence> for sdk::ManagedPersistenceMonitoringConfiguration {
    fn from(logs: ManagedPersistence) -> Self {
        let builder = Self::builder().set_enabled(logs.enabled);
        builder
            .set_encryption_key_arn(logs.encryption_key_arn)
            .build()
    }
}

impl From<Prometheus> for sdk::PrometheusMonitoringConfiguration {
    fn from(metrics: Prometheus) -> Self {
        let builder = Self::builder();
        builder
            .set_remote_write_url(metrics.remote_write_url)
            .build()
    }
}

impl From<DiskEncryption> for sdk::DiskEncryptionConfiguration {
    fn from(disk: DiskEncryption) -> Self {
        let context = disk.encryption_context.map(|map| map.into_iter().collect());
        let builder = Self::builder().set_encryption_context(context);
        builder
            .set_encryption_key_arn(disk.encryption_key_arn)
            .build()
    }
}

impl From<Mode> for sdk::JobRunMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Batch => Self::Batch,
            Mode::Streaming => Self::Streaming,
        }
    }
}

impl From<RetryPolicy> for sdk::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        let builder = Self::builder().set_max_attempts(policy.max_attempts);
        let per_hour = policy.max_failed_attempts_per_hour;
        builder.set_max_failed_attempts_per_hour(per_hour).build()
    }
}
