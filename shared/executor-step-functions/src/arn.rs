//! Names of state machines, executions and functions.

use porpoise_model::{AttemptKey, AwsPlace};

/// A state machine, perhaps one of its versions or aliases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Machine {
    /// `arn:aws:states:eu-central-1:111122223333`.
    owner: String,
    name: String,
    qualifier: Option<String>,
}

impl Machine {
    /// The state machine of this name or ARN, which lies at this place.
    pub(crate) fn at(place: &AwsPlace, text: &str) -> Result<Self, String> {
        let (name, qualifier) = within(place, text, "states", "stateMachine")?;
        Ok(Self {
            owner: owner(place, "states"),
            name,
            qualifier,
        })
    }

    /// The state machine of an execution.
    pub(crate) fn of_execution(arn: &str) -> Option<Self> {
        let (owner, rest) = arn.split_once(":execution:")?;
        let (name, _) = rest.split_once(':')?;
        Some(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            qualifier: None,
        })
    }

    /// With its version or alias.
    pub(crate) fn arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.bare()),
            None => self.bare(),
        }
    }

    /// Without it: versions and aliases share the names of executions.
    pub(crate) fn bare(&self) -> String {
        format!("{}:stateMachine:{}", self.owner, self.name)
    }

    /// The execution that was started for an attempt.
    pub(crate) fn execution(&self, key: AttemptKey) -> String {
        format!("{}:execution:{}:{key}", self.owner, self.name)
    }
}

/// The ARN of the function of this name or ARN, which lies at this place.
pub(crate) fn function(place: &AwsPlace, text: &str) -> Result<String, String> {
    let (name, qualifier) = within(place, text, "lambda", "function")?;
    let arn = format!("{}:function:{name}", owner(place, "lambda"));
    Ok(match qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    })
}

fn owner(place: &AwsPlace, service: &str) -> String {
    let (partition, region, account) = (place.partition(), place.region(), place.account());
    format!("arn:{partition}:{service}:{region}:{account}")
}

/// Name and qualifier. What lies elsewhere is refused: a target keeps its data where it is.
fn within(
    place: &AwsPlace,
    text: &str,
    service: &str,
    sort: &str,
) -> Result<(String, Option<String>), String> {
    let rest = if text.starts_with("arn:") {
        let here = format!("{}:{sort}:", owner(place, service));
        text.strip_prefix(here.as_str()).ok_or_else(|| {
            format!("`{text}` is none of this target's place: an ARN that begins with `{here}` is expected")
        })?
    } else {
        text
    };
    let (name, qualifier) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    };
    let fits = |part: &str| {
        let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.$+".contains(char);
        !part.is_empty() && part.chars().all(allowed)
    };
    if !fits(name) || !qualifier.is_none_or(fits) {
        return Err(format!(
            "`{text}` is neither a name, perhaps with `:` and a version or alias, nor an ARN"
        ));
    }
    Ok((name.to_owned(), qualifier.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use porpoise_model::Place;

    use super::*;

    #[test]
    fn names_and_arns_of_the_place_are_taken_and_others_are_not() {
        let place: Place = "aws.eu-central-1.111122223333".parse().unwrap();
        let place = place.aws().unwrap();
        let key: AttemptKey = AttemptKey::from_bytes([7; 20]);
        let own = "arn:aws:states:eu-central-1:111122223333";
        for (text, arn) in [
            ("etl".to_owned(), format!("{own}:stateMachine:etl")),
            (
                "etl:PROD".to_owned(),
                format!("{own}:stateMachine:etl:PROD"),
            ),
            (
                format!("{own}:stateMachine:etl:3"),
                format!("{own}:stateMachine:etl:3"),
            ),
        ] {
            let machine = Machine::at(place, &text).unwrap();
            assert_eq!(machine.arn(), arn);
            assert_eq!(machine.bare(), format!("{own}:stateMachine:etl"));
            let execution = machine.execution(key);
            assert_eq!(execution, format!("{own}:execution:etl:{key}"));
            let of = Machine::of_execution(&execution).unwrap();
            assert_eq!(of.bare(), machine.bare());
        }
        assert_eq!(
            function(place, "f:live").unwrap(),
            "arn:aws:lambda:eu-central-1:111122223333:function:f:live"
        );
        for elsewhere in [
            "arn:aws:states:us-east-1:111122223333:stateMachine:etl",
            "arn:aws:states:eu-central-1:444455556666:stateMachine:etl",
            "arn:aws:states:eu-central-1:111122223333:activity:etl",
        ] {
            let error = Machine::at(place, elsewhere).unwrap_err();
            assert!(error.contains("none of this target's place"), "{error}");
        }
        for wrong in ["", ":1", "a b", "a:b:c", "etl/Map"] {
            let error = Machine::at(place, wrong).unwrap_err();
            assert!(error.contains("neither a name"), "{error}");
        }
    }
}
