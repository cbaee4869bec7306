//! How a job becomes an execution.

use porpoise_model::AwsPlace;
use porpoise_model::job::{Job, Work};
use serde_json::{Value, json};

use crate::arn::{Machine, function};
use crate::settings::Settings;

/// The longest input. Source: "Service quotas" in the Step Functions developer guide.
const INPUT_BYTES_MAX: usize = 262_144;

/// What is started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) machine: Machine,
    pub(crate) input: String,
}

/// The execution of a job.
///
/// # Errors
/// Why there can be none, and what to do.
pub(crate) fn start(job: &Job, settings: &Settings, place: &AwsPlace) -> Result<Start, String> {
    let start = match (settings, &job.work) {
        (Settings::Machines(_), Work::StateMachine { name, input }) => {
            let machine = Machine::at(place, name)?;
            if let Some(machines) = settings.machines(place)
                && !machines.iter().any(|known| known.bare() == machine.bare())
            {
                return Err(format!(
                    "the state machine `{name}` is none of those that the target names: add it to `state_machines` in \
                     the settings of the target"
                ));
            }
            Start {
                machine,
                input: input.clone(),
            }
        }
        (Settings::Caller(caller), Work::Function { name, input }) => {
            let input: Value = serde_json::from_str(input)
                .map_err(|error| format!("the input of the function is no JSON: {error}"))?;
            let call = json!({
                "function": function(place, name)?,
                "input": input,
                "attempt": job.key.to_string(),
            });
            Start {
                machine: Machine::at(place, &caller.caller)?,
                input: call.to_string(),
            }
        }
        (settings, work) => {
            let (kind, takes) = match settings {
                Settings::Machines(_) => ("step-functions", "state_machine"),
                Settings::Caller(_) => ("lambda", "function"),
            };
            let word = work.word();
            return Err(format!(
                "a target of kind `{kind}` runs `{takes}` tasks, not `{word}`"
            ));
        }
    };
    if start.input.len() > INPUT_BYTES_MAX {
        return Err(format!(
            "the input has more than {INPUT_BYTES_MAX} bytes, which Step Functions does not take: put it on S3 and \
             give its address"
        ));
    }
    Ok(start)
}
