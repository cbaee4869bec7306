//! What a target says of itself.

use porpoise_model::Target;
use porpoise_ports::target::{self, Fault, TargetError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::request::StartRequest;

/// The settings of a target of kind `athena`.
///
/// ```json
/// {"workgroup": "etl", "database": "sales", "output_location": "s3://results/etl/", "rows_max": 20, "price_per_tb": 5.0}
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The workgroup that queries run in.
    #[serde(default = "primary")]
    pub workgroup: String,
    /// The database that tables are in, if a task does not say.
    pub database: Option<String>,
    /// The catalogue that databases are in.
    pub catalog: Option<String>,
    /// The folder on S3 in which each query gets a folder for its results. The workgroup must allow it.
    pub output_location: Option<String>,
    /// So many rows of a result become an output.
    #[serde(default = "rows_max")]
    pub rows_max: u16,
    /// What scanning 1,000,000,000,000 bytes costs there, in US dollars.
    pub price_per_tb: Option<f64>,
    /// Members of `StartQueryExecution` that every query gets, unless it says otherwise.
    #[serde(default)]
    pub request: Map<String, Value>,
}

fn primary() -> String {
    "primary".to_owned()
}

const fn rows_max() -> u16 {
    20
}

/// A page of results has so many rows at most, the names of columns included. Source: `GetQueryResults` in the API
/// reference of Athena.
const ROWS_MAX: u16 = 999;

impl Settings {
    /// The settings of a target, checked: also what every query gets.
    ///
    /// # Errors
    /// Everything that is wrong, and where.
    pub fn of(target: &Target) -> Result<Self, TargetError> {
        target::settings(target, Self::check)
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        if self.rows_max > ROWS_MAX {
            let message = format!("at most {ROWS_MAX} rows become an output");
            faults.push(Fault::new("rows_max", message));
        }
        let location = self.output_location.as_deref();
        if location.is_some_and(|location| !location.starts_with("s3://")) {
            let message = "an address that begins with `s3://` is expected";
            faults.push(Fault::new("output_location", message));
        }
        if let Err(wrong) = StartRequest::of([&self.request]) {
            faults.extend(wrong.into_iter().map(|fault| fault.within("request")));
        }
    }
}
