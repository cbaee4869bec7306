//! Secrets in files against the suite of their port.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use porpoise_executor_local::FileSecrets;
use porpoise_model::ProjectId;
use porpoise_ports::conformance::secrets::Keeper;
use porpoise_ports::secrets_conformance;
use tempfile::TempDir;

/// A person with an editor.
struct Editor {
    secrets: PathBuf,
}

#[async_trait]
impl Keeper for Editor {
    async fn put(&self, _: ProjectId, name: &str, value: &str) {
        // A version is a time of change, which file systems count in steps of some milliseconds.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let file = self.secrets.join(name);
        fs::write(&file, value).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
}

secrets_conformance!(secrets_in_files, async || {
    let dir = TempDir::new().unwrap();
    let secrets = dir.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    (FileSecrets::new(dir.path()), Editor { secrets }, dir)
});
