//! A deployment on AWS: `deploy` makes one, `doctor` looks whether it is whole.
//!
//! Both drive the programs that whoever deploys has anyway: `aws`, `npx cdk`, `curl`. So this binary links no client of
//! AWS, and takes credentials, proxies and profiles as those do (docs/adr/0007). Start reading at [`doctor`].

mod api;
mod aws;
mod catalogue;
mod deploy;
mod doctor;
mod finding;
mod needs;
mod place;
mod stack;

pub(crate) use aws::{AwsError, run};
pub(crate) use deploy::deploy;
pub(crate) use doctor::doctor;

/// A variable of the environment that is not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}
