//! Jobs that are no programs by themselves, for the program that does them.
//!
//! The wrapper of an attempt starts it as `PROGRAM ARGUMENTS DIR`, beside which it knows nothing of it: what it prints
//! is the log, SIGTERM asks it to stop, and when it is gone the attempt is over. It is a process of its own, like a
//! script, so that the work goes on when the server dies, and so that it is never done twice: there is one wrapper for
//! an attempt, and one such process for a wrapper.
//!
//! Start reading at [`Helper::open`].

use std::io;
use std::path::Path;

use minicbor::{Decode, Encode};
use porpoise_model::Outputs;
use porpoise_ports::executor::{Job, Work};

use crate::layout::AttemptDir;
use crate::secret::replace;
use crate::wrapper;

/// How such a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// Well.
    #[n(0)]
    Done {
        /// What it found; what is declared is handed on as that, all else if it is small.
        #[n(0)]
        outputs: Outputs,
    },
    /// It was done, and did not come out well. Another attempt may.
    #[n(1)]
    Failed {
        /// Why.
        #[n(0)]
        message: String,
    },
    /// It cannot be done as it is said.
    #[n(2)]
    Rejected {
        /// What is wrong, and what to do.
        #[n(0)]
        message: String,
    },
}

/// Whether a job is done by such a program.
pub(crate) const fn is_helped(work: &Work) -> bool {
    match work {
        Work::Http { .. } | Work::Sql { .. } => true,
        Work::Noop
        | Work::Sleep { .. }
        | Work::Shell { .. }
        | Work::Python { .. }
        | Work::Command { .. }
        | Work::External { .. }
        | Work::Spark { .. }
        | Work::Hive { .. }
        | Work::Function { .. }
        | Work::StateMachine { .. } => false,
    }
}

/// What there is to do, and whoever hears how it ended.
#[derive(Debug)]
pub struct Helper {
    dir: AttemptDir,
    job: Job,
    secrets: Vec<(String, String)>,
}

impl Helper {
    /// The job in `dir`, with its secrets from the variables that the wrapper set.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let dir = AttemptDir::at(dir.to_owned());
        let job = dir.read_job()?.ok_or(io::ErrorKind::NotFound)?;
        let secrets = wrapper::secrets(&job);
        Ok(Self { dir, job, secrets })
    }

    /// What there is to do. Secrets are references still.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// A text with the secrets in it that the definition names, each as `form` has it.
    ///
    /// # Errors
    /// A secret was not handed over.
    pub fn reveal(&self, text: &str, form: fn(&str) -> String) -> Result<String, String> {
        let value = |name: &str| {
            let mut known = self.secrets.iter();
            let found = known.find(|(known, _)| known == name);
            found.map(|(_, value)| form(value))
        };
        replace(text, &self.job.secrets, value)
            .ok_or_else(|| "a secret was not handed over".to_owned())
    }

    /// The secret that proves to the data source who asks, if it names one. Whoever may set a target may name any.
    pub fn password(&self) -> Option<&str> {
        let source = crate::secret::source(&self.job)?;
        let name = source.secret()?;
        let mut known = self.secrets.iter();
        known
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Says how it ended; the wrapper hears it when this process is gone, if it ends with 0.
    pub fn tell(&self, told: &Told) -> io::Result<()> {
        self.dir.write_told(told)
    }
}
