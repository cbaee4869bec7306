//! All accounts and regions of a fake, and its time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::answer::Fault;
use crate::athena::Athena;
use crate::caller::Caller;
use crate::check;
use crate::clock::Clock;
use crate::emr::{Emr, JobRun};
use crate::fake::Options;
use crate::mail::{Event, Mail};
use crate::request::{Request, Service};
use crate::throttle::Throttle;

/// How a call fails though nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The service fails and does nothing.
    Fails,
    /// The service does what it was asked and the answer is lost.
    Loses,
    /// The service takes no more calls for now.
    Throttles,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) mail: Mail,
    emr: BTreeMap<Caller, Emr>,
    athena: BTreeMap<Caller, Athena>,
    throttle: Throttle,
    troubles: Vec<(String, Trouble)>,
    calls: BTreeMap<String, u64>,
    /// Calls that came faster than the documented rates allow.
    too_fast: u64,
    /// Events that nobody has taken yet.
    pub(crate) kept: Vec<Event>,
}

/// What services need of the world around them.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Options,
    pub(crate) mail: &'a mut Mail,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            clock: Clock::new(options.time),
            mail: Mail::new(options.delivery),
            options,
            emr: BTreeMap::new(),
            athena: BTreeMap::new(),
            throttle: Throttle::default(),
            troubles: Vec::new(),
            calls: BTreeMap::new(),
            too_fast: 0,
            kept: Vec::new(),
        }
    }

    /// Has everything happen that is due.
    pub(crate) fn settle(&mut self) {
        let now = self.clock.now();
        let mut context = Context {
            options: &self.options,
            mail: &mut self.mail,
        };
        for emr in self.emr.values_mut() {
            emr.settle(now, &mut context);
        }
        for athena in self.athena.values_mut() {
            athena.settle(now, &mut context);
        }
        self.kept.extend(self.mail.arrived(now));
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let emr = self.emr.values().filter_map(Emr::next);
        let athena = self.athena.values().filter_map(Athena::next);
        emr.chain(athena).chain(self.mail.next()).min()
    }

    /// Every job run of EMR Serverless.
    pub(crate) fn job_runs(&self) -> Vec<JobRun> {
        self.emr.values().flat_map(Emr::jobs).collect()
    }

    /// How often a call came faster than the documented rates allow.
    pub(crate) const fn too_fast(&self) -> u64 {
        self.too_fast
    }

    /// The tags of an application of an account in a region.
    pub(crate) fn tags_of(&self, caller: &Caller, application: &str) -> BTreeMap<String, String> {
        let emr = self.emr.get(caller);
        emr.map(|emr| emr.tags_of(application)).unwrap_or_default()
    }

    /// The workgroup of a query of an account in a region.
    pub(crate) fn workgroup_of(&self, caller: &Caller, query: &str) -> Option<&str> {
        self.athena.get(caller)?.workgroup_of(query)
    }

    /// The next call of this operation meets trouble.
    pub(crate) fn trouble(&mut self, operation: &str, trouble: Trouble) {
        self.troubles.push((operation.to_owned(), trouble));
    }

    /// How often each operation was called, refused calls and all.
    pub(crate) const fn calls(&self) -> &BTreeMap<String, u64> {
        &self.calls
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Result<Value, Fault> {
        self.settle();
        *self.calls.entry(request.operation.clone()).or_default() += 1;
        let now = self.clock.now();
        let name = request.service.name();
        let Request {
            operation, caller, ..
        } = request;
        if self.options.throttled && !self.throttle.allows(caller, name, operation, now) {
            self.too_fast += 1;
            return Err(Fault::throttled());
        }
        let trouble = self.take_trouble(operation);
        match trouble {
            Some(Trouble::Fails) => return Err(failed()),
            Some(Trouble::Throttles) => return Err(Fault::throttled()),
            Some(Trouble::Loses) | None => {}
        }
        let answer = self.act(request, now)?;
        // what takes no time has happened when the next call comes
        self.settle();
        match trouble {
            Some(_) => Err(failed()),
            None => Ok(answer),
        }
    }

    fn act(&mut self, request: &Request, now: Timestamp) -> Result<Value, Fault> {
        let mut context = Context {
            options: &self.options,
            mail: &mut self.mail,
        };
        let Request {
            operation, input, ..
        } = request;
        let place = || request.caller.clone();
        let answer = match request.service {
            Service::EmrServerless => {
                let emr = self.emr.entry(place()).or_insert_with(|| Emr::new(place()));
                emr.answer(operation, input, now, &mut context)?
            }
            Service::Athena => {
                let athena = self.athena.entry(place());
                let athena = athena.or_insert_with(|| Athena::new(place()));
                athena.answer(operation, input, now, &mut context)?
            }
        };
        let model = request.service.model();
        let output = model
            .operations
            .get(operation)
            .map(|operation| &operation.output);
        let faults = output.map(|output| check::faults_of_answer(model, output, &answer));
        match faults.unwrap_or_default() {
            faults if faults.is_empty() => Ok(answer),
            faults => Err(Fault::bug(&faults.join("; "))),
        }
    }

    fn take_trouble(&mut self, operation: &str) -> Option<Trouble> {
        let mut troubles = self.troubles.iter();
        let index = troubles.position(|(name, _)| name == operation)?;
        Some(self.troubles.remove(index).1)
    }
}

fn failed() -> Fault {
    Fault::of(500, "InternalServerException").saying("the fake was told to fail here")
}
