//! What a target says of itself.

use porpoise_model::{AwsPlace, Target};
use porpoise_ports::target::{self, Fault, TargetError};
use serde::Deserialize;

use crate::LAMBDA_KIND;
use crate::arn::Machine;

/// The settings of a target, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// Of kind `step-functions`.
    Machines(MachineSettings),
    /// Of kind `lambda`.
    Caller(CallerSettings),
}

/// The settings of a target of kind `step-functions`.
///
/// ```json
/// {"state_machines": ["etl", "archive"]}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineSettings {
    /// Names or ARNs of the state machines that tasks may run; if left out, all of the target's place.
    pub state_machines: Option<Vec<String>>,
}

/// The settings of a target of kind `lambda`.
///
/// ```json
/// {"caller": "porpoise-target-call"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerSettings {
    /// Name or ARN of the Standard state machine that calls functions.
    pub caller: String,
}

impl Settings {
    /// The settings of a target, checked.
    ///
    /// # Errors
    /// Everything that is wrong, and where.
    pub fn of(target: &Target) -> Result<Self, TargetError> {
        let place = target.place.aws();
        let machine = |path: String, text: &String, faults: &mut Vec<Fault>| {
            if let Some(place) = place
                && let Err(message) = Machine::at(place, text)
            {
                faults.push(Fault::new(path, message));
            }
        };
        if target.kind == LAMBDA_KIND {
            let check = |settings: &CallerSettings, faults: &mut Vec<Fault>| {
                machine("caller".to_owned(), &settings.caller, faults);
            };
            return target::settings(target, check).map(Self::Caller);
        }
        let check = |settings: &MachineSettings, faults: &mut Vec<Fault>| {
            let names = settings.state_machines.iter().flatten();
            for (index, name) in names.enumerate() {
                machine(format!("state_machines[{index}]"), name, faults);
            }
        };
        target::settings(target, check).map(Self::Machines)
    }

    /// The state machines that jobs of the target can be executions of; `None`: any of its place.
    pub(crate) fn machines(&self, place: &AwsPlace) -> Option<Vec<Machine>> {
        let names = match self {
            Self::Machines(settings) => settings.state_machines.as_deref()?,
            Self::Caller(settings) => std::slice::from_ref(&settings.caller),
        };
        let machines = names
            .iter()
            .filter_map(|name| Machine::at(place, name).ok());
        Some(machines.collect())
    }
}
