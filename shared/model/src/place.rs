//! Where things live.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// A place: the machine that the local server runs on, an account of AWS in one of its regions, or a site outside that
/// an agent serves.
///
/// Printed `local`, `aws.eu-central-1.111122223333` or `site.berlin`: fits keys, file names and names of executions. The
/// partition is part of it, because no ARN and no endpoint can be built without.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// Where the local server runs.
    #[default]
    Local,
    /// An account in a region.
    Aws(AwsPlace),
    /// Where an agent fetches what there is to do.
    Site(SiteName),
}

/// What people call a site: lower-case letters, digits and hyphens, at most 40.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(String);

/// An account of AWS in one of its regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsPlace {
    partition: String,
    region: String,
    account: String,
}

/// What the names of sites stand behind.
const SITE: &str = "site.";

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePlaceError {
    /// Not of the form.
    #[error(
        "`{0}` is no place: `local`, `site.NAME` or `partition.region.account` is expected, as in \
         `aws.eu-central-1.111122223333`"
    )]
    Form(String),
    /// The account is not made of 12 digits.
    #[error("`{0}` is no account: 12 digits are expected")]
    Account(String),
    /// Not a word of lower-case letters, digits and hyphens.
    #[error("`{0}` is no {1}: lower-case letters, digits and hyphens are expected")]
    Word(String, &'static str),
}

impl AwsPlace {
    /// A place of these parts.
    ///
    /// # Errors
    /// One of them is none.
    pub fn new(partition: &str, region: &str, account: &str) -> Result<Self, ParsePlaceError> {
        for (word, what) in [(partition, "partition"), (region, "region")] {
            check_word(word, what)?;
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParsePlaceError::Account(shortened(account)));
        }
        Ok(Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    /// `aws`, `aws-cn`, `aws-us-gov` …
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// `eu-central-1` …
    pub fn region(&self) -> &str {
        &self.region
    }

    /// 12 digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The domain of the partition's console, to which links lead.
    pub fn console(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => "console.aws.amazon.com",
        }
    }

    /// The ARN of a resource here: `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl SiteName {
    /// As people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteName {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_word(text, "name of a site")?;
        Ok(Self(text.to_owned()))
    }
}

fn check_word(word: &str, what: &'static str) -> Result<(), ParsePlaceError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if word.is_empty() || word.len() > 40 || !word.chars().all(fits) {
        return Err(ParsePlaceError::Word(shortened(word), what));
    }
    Ok(())
}

/// Errors repeat what was given, but not pages of it.
fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Place {
    /// Its part of AWS, if it is there.
    pub const fn aws(&self) -> Option<&AwsPlace> {
        match self {
            Self::Local | Self::Site(_) => None,
            Self::Aws(place) => Some(place),
        }
    }

    /// The site that an agent serves, if it is one.
    pub const fn site(&self) -> Option<&SiteName> {
        match self {
            Self::Local | Self::Aws(_) => None,
            Self::Site(name) => Some(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Aws(AwsPlace {
                partition,
                region,
                account,
            }) => write!(f, "{partition}.{region}.{account}"),
            Self::Site(SiteName(name)) => write!(f, "{SITE}{name}"),
        }
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "local" {
            return Ok(Self::Local);
        }
        if let Some(name) = text.strip_prefix(SITE).filter(|name| !name.contains('.')) {
            return name.parse().map(Self::Site);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [partition, region, account] = parts[..] else {
            return Err(ParsePlaceError::Form(shortened(text)));
        };
        AwsPlace::new(partition, region, account).map(Self::Aws)
    }
}

impl TryFrom<String> for Place {
    type Error = ParsePlaceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl schemars::JsonSchema for Place {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`local`, `partition.region.account` as in `aws.eu-central-1.111122223333`, or `site.NAME`.",
            "pattern": "^(local|site\\.[a-z0-9-]{1,40}|[a-z0-9-]+\\.[a-z0-9-]+\\.[0-9]{12})$"
        })
    }
}

impl<C> Encode<C> for Place {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Place {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back_what_they_print() {
        for text in [
            "local",
            "aws.eu-central-1.111122223333",
            "aws-cn.cn-north-1.000000000001",
            "site.berlin",
            "site.rack-7",
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            let bytes = minicbor::to_vec(&place).unwrap();
            assert_eq!(minicbor::decode::<Place>(&bytes).unwrap(), place);
            let json = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<Place>(&json).unwrap(), place);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_by_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "no place"),
            ("eu-central-1", "no place"),
            ("aws.eu-central-1", "no place"),
            ("aws.eu-central-1.111122223333.x", "no place"),
            ("aws.EU.111122223333", "no region"),
            ("aws..111122223333", "no region"),
            ("a/b.eu-central-1.111122223333", "no partition"),
            ("aws.eu-central-1.11112222333", "no account"),
            ("aws.eu-central-1.11112222333x", "no account"),
            ("site.", "no name of a site"),
            ("site.Berlin", "no name of a site"),
            ("site.a/b", "no name of a site"),
            ("site", "no place"),
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn arns_have_the_partition_of_their_place() {
        let place = AwsPlace::new("aws-cn", "cn-north-1", "111122223333").unwrap();
        let arn = place.arn("athena", "workgroup/primary");
        assert_eq!(
            arn,
            "arn:aws-cn:athena:cn-north-1:111122223333:workgroup/primary"
        );
    }
}
