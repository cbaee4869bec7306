//! Where the tasks of a run execute.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::encode::{Error, Write};
use minicbor::{Decode, Encode, Encoder};
use porpoise_model::workflow::Task;
use porpoise_model::{Place, Target};

/// Where the tasks of a run execute: settled when it is created, so that a change of a target moves no attempt that is
/// on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Decode)]
pub struct Placement {
    /// What dispatches tasks without a target.
    #[n(0)]
    pub place: Place,
    /// The targets that the run uses.
    #[n(1)]
    pub targets: Vec<Placed>,
    /// Which of them takes tasks of a kind that name none: its index by the kind's word.
    #[n(2)]
    pub defaults: BTreeMap<String, u32>,
    /// The places that the run's data may be in; empty: anywhere.
    #[n(3)]
    pub residency: BTreeSet<Place>,
}

/// A target, and who dispatches to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Placed {
    /// The target.
    #[n(0)]
    pub target: Target,
    /// The data place that serves it.
    #[n(1)]
    pub place: Place,
}

/// As the derived one would, but nothing at all for a run that is placed as all were before there were targets.
impl<C> Encode<C> for Placement {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), Error<W::Error>> {
        let Self {
            place,
            targets,
            defaults,
            residency,
        } = self;
        (place, targets, defaults, residency).encode(e, c)
    }

    fn is_nil(&self) -> bool {
        *self == Self::default()
    }
}

impl Placement {
    /// The target of a task, if it has one.
    pub fn of(&self, task: &Task) -> Option<&Placed> {
        let named = task.target.as_deref();
        if let Some(name) = named {
            let mut targets = self.targets.iter();
            return targets.find(|placed| placed.target.name.as_str() == name);
        }
        let index = self.defaults.get(&*task.kind.word())?;
        self.targets.get(usize::try_from(*index).ok()?)
    }

    /// The place that dispatches a task.
    pub fn place(&self, task: &Task) -> &Place {
        self.of(task).map_or(&self.place, |placed| &placed.place)
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::Name;
    use porpoise_model::workflow::Kind;

    use super::*;

    fn placed(name: &str, place: &str) -> Placed {
        let place: Place = place.parse().unwrap();
        Placed {
            target: Target {
                name: name.parse().unwrap(),
                revision: 1,
                kind: "emr-serverless".to_owned(),
                place: place.clone(),
                role: None,
                settings: "{}".to_owned(),
            },
            place,
        }
    }

    #[test]
    fn placements_read_back_what_was_written() {
        let placement = Placement {
            place: "aws.eu-west-1.111122223333".parse().unwrap(),
            targets: vec![placed("eu", "aws.eu-central-1.111122223333")],
            defaults: BTreeMap::from([("spark".to_owned(), 0)]),
            residency: BTreeSet::from([Place::Local]),
        };
        let bytes = minicbor::to_vec(&placement).unwrap();
        assert_eq!(minicbor::decode::<Placement>(&bytes).unwrap(), placement);
    }

    #[test]
    fn a_task_goes_to_the_target_it_names_then_to_that_of_its_kind_then_home() {
        let placement = Placement {
            place: Place::Local,
            targets: vec![
                placed("eu", "aws.eu-central-1.111122223333"),
                placed("us", "aws.us-east-1.111122223333"),
            ],
            defaults: BTreeMap::from([("shell".to_owned(), 1)]),
            residency: BTreeSet::new(),
        };
        let name: Name = "t".parse().unwrap();
        let shell = Kind::Shell {
            script: "true".to_owned(),
        };
        let mut task = Task::new(name.clone(), shell);
        let place = |task: &Task| placement.place(task).to_string();
        assert_eq!(place(&task), "aws.us-east-1.111122223333");
        task.target = Some("eu".to_owned());
        assert_eq!(place(&task), "aws.eu-central-1.111122223333");
        task.target = Some("gone".to_owned());
        assert_eq!(placement.of(&task), None);
        assert_eq!(place(&Task::new(name, Kind::Noop)), "local");
    }
}
