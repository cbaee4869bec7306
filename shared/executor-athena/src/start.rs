//! How a job becomes a request.

use aws_sdk_athena::operation::start_query_execution::StartQueryExecutionInput;
use aws_sdk_athena::types as sdk;
use porpoise_model::ValueType;
use porpoise_model::job::{Job, SqlMore, Work};
use porpoise_ports::target::{object, told};

use crate::dolphin;
use crate::request::{Results, Reuse, StartRequest};
use crate::settings::Settings;

/// The longest statement. Source: the service model, which counts characters.
const STATEMENT_CHARS_MAX: usize = 262_144;

/// The statement, if nothing stands around it.
fn one(statement: &str, more: Option<&SqlMore>) -> Result<String, String> {
    let around = more.is_some_and(|more| !more.before.is_empty() || !more.after.is_empty());
    if around {
        return Err(
            "Athena takes one statement a query: make a task of each statement in `before` and `after`"
                .to_owned(),
        );
    }
    if more.is_some_and(|more| more.types.contains(&ValueType::List)) {
        return Err("Athena binds no lists: write the statement for single values".to_owned());
    }
    // what was imported may end with what Athena does not take
    Ok(statement.trim_end().trim_end_matches(';').to_owned())
}

/// The request that starts the query of a job.
///
/// # Errors
/// Why the job can't be said in a request, and what to do.
pub(crate) fn input(job: &Job, settings: &Settings) -> Result<StartQueryExecutionInput, String> {
    let statement = match &job.work {
        Work::Sql {
            statement,
            arguments,
            database,
            request,
            more,
        } => Statement {
            text: one(statement, more.as_deref())?,
            arguments: arguments.iter().map(|argument| literal(argument)).collect(),
            database: database.clone(),
            request: request.clone(),
        },
        Work::External {
            system,
            name,
            parameters,
        } if system == "dolphinscheduler" => Statement {
            text: dolphin::statement(name, parameters)?,
            arguments: Vec::new(),
            database: None,
            request: None,
        },
        Work::Noop
        | Work::Sleep { .. }
        | Work::Shell { .. }
        | Work::Python { .. }
        | Work::Command { .. }
        | Work::External { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Function { .. }
        | Work::Http { .. }
        | Work::StateMachine { .. } => {
            return Err(format!(
                "Athena runs `sql` tasks, not `{}`",
                job.work.word()
            ));
        }
    };
    if statement.text.chars().count() > STATEMENT_CHARS_MAX {
        return Err(format!(
            "the statement has more than {STATEMENT_CHARS_MAX} characters, which Athena does not take"
        ));
    }
    statement.input(&job.key.to_string(), settings)
}

struct Statement {
    text: String,
    arguments: Vec<String>,
    database: Option<String>,
    request: Option<String>,
}

impl Statement {
    fn input(self, key: &str, settings: &Settings) -> Result<StartQueryExecutionInput, String> {
        let own = object(self.request.as_deref().unwrap_or("{}"));
        let own = own.map_err(|fault| format!("the task's request cannot be read: {fault}"))?;
        let request = StartRequest::of([&settings.request, &own])
            .map_err(|faults| format!("the request cannot be read: {}", told(&faults)))?;
        let context = request.query_execution_context.unwrap_or_default();
        let database = self
            .database
            .or(context.database)
            .or_else(|| settings.database.clone());
        let catalog = context.catalog.or_else(|| settings.catalog.clone());
        let context = (database.is_some() || catalog.is_some()).then(|| {
            let context = sdk::QueryExecutionContext::builder();
            context.set_database(database).set_catalog(catalog).build()
        });
        let mut results = request.result_configuration.unwrap_or_default();
        if let Some(folder) = results
            .output_location
            .take()
            .or(settings.output_location.clone())
        {
            results.output_location = Some(format!("{}/{key}/", folder.trim_end_matches('/')));
        }
        let arguments = (!self.arguments.is_empty()).then_some(self.arguments);
        StartQueryExecutionInput::builder()
            .query_string(self.text)
            .client_request_token(key)
            .work_group(&settings.workgroup)
            .set_query_execution_context(context)
            .set_execution_parameters(arguments)
            .set_result_configuration(configuration(results)?)
            .set_result_reuse_configuration(request.result_reuse_configuration.map(reuse))
            .build()
            .map_err(|error| error.to_string())
    }
}

fn configuration(results: Results) -> Result<Option<sdk::ResultConfiguration>, String> {
    if results == Results::default() {
        return Ok(None);
    }
    let encryption = results.encryption_configuration.map(|encryption| {
        let option = sdk::EncryptionOption::from(encryption.encryption_option.as_str());
        let builder = sdk::EncryptionConfiguration::builder().encryption_option(option);
        builder.set_kms_key(encryption.kms_key).build()
    });
    let acl = results.acl_configuration.map(|acl| {
        let option = sdk::S3AclOption::from(acl.option.as_str());
        sdk::AclConfiguration::builder()
            .s3_acl_option(option)
            .build()
    });
    let (encryption, acl) = (encryption.transpose(), acl.transpose());
    let builder = sdk::ResultConfiguration::builder()
        .set_output_location(results.output_location)
        .set_encryption_configuration(encryption.map_err(|error| error.to_string())?)
        .set_expected_bucket_owner(results.expected_bucket_owner)
        .set_acl_configuration(acl.map_err(|error| error.to_string())?);
    Ok(Some(builder.build()))
}

fn reuse(reuse: Reuse) -> sdk::ResultReuseConfiguration {
    let by_age = reuse.by_age.map(|by_age| {
        let builder = sdk::ResultReuseByAgeConfiguration::builder().enabled(by_age.enabled);
        builder
            .set_max_age_in_minutes(by_age.max_age_in_minutes)
            .build()
    });
    let builder = sdk::ResultReuseConfiguration::builder();
    builder
        .set_result_reuse_by_age_configuration(by_age)
        .build()
}

/// A value as Athena wants it: it puts texts into statements as they are, so all but numbers get quotes.
///
/// Source: "Use parameterized queries" in the user guide of Athena.
fn literal(value: &str) -> String {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let number = match digits.split_once('.') {
        Some((whole, part)) => is_digits(whole) && is_digits(part),
        None => is_digits(digits),
    };
    // a number that begins with zeros is a text that looks like one
    let zeros = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if number && !zeros {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn all_but_numbers_get_quotes() {
        for number in ["0", "7", "-7", "0.5", "-12.25"] {
            assert_eq!(literal(number), number);
        }
        for (text, wanted) in [
            ("2026-11-21", "'2026-11-21'"),
            ("007", "'007'"),
            ("1e5", "'1e5'"),
            ("", "''"),
            ("it's", "'it''s'"),
            ("1; drop table t", "'1; drop table t'"),
        ] {
            assert_eq!(literal(text), wanted);
        }
    }
}
