//! A zip that Lambda takes: one file, `bootstrap`, executable.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Levels of compression.
pub(crate) const SMALLEST: i64 = 9;
pub(crate) const FASTEST: i64 = 1;

/// Whether the zip is newer than the binary.
pub(crate) fn is_packed(binary: &Path, zip: &Path) -> bool {
    let time = |file: &Path| file.metadata().and_then(|known| known.modified()).ok();
    time(zip) > time(binary)
}

/// A copy without what only debuggers read.
pub(crate) fn strip(binary: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut strip = Command::new("strip");
    let status = strip.arg("-o").arg(to).arg(binary).status();
    let status = status.context("there is no `strip`, which belongs to the linker")?;
    anyhow::ensure!(status.success(), "`strip` failed: {status}");
    Ok(())
}

/// Packs a binary; returns the bytes of the zip. The same binary makes the same zip.
pub(crate) fn pack(binary: &Path, zip: &Path, level: i64) -> anyhow::Result<u64> {
    let bytes = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    if let Some(folder) = zip.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut writer = ZipWriter::new(File::create(zip)?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    writer.start_file("bootstrap", options)?;
    writer.write_all(&bytes)?;
    let file = writer.finish()?;
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_an_executable_bootstrap_and_the_same_each_time() {
        let folder = std::env::temp_dir().join(format!("pack-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let binary = folder.join("any-name");
        fs::write(&binary, "#!/bin/sh\n".repeat(1_000)).unwrap();
        let [one, two] = ["one.zip", "two.zip"].map(|name| folder.join(name));
        let bytes = pack(&binary, &one, SMALLEST).unwrap();
        assert!(bytes < 1_000, "{bytes} bytes");
        pack(&binary, &two, SMALLEST).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        let mut zip = zip::ZipArchive::new(File::open(&one).unwrap()).unwrap();
        let file = zip.by_index(0).unwrap();
        assert_eq!(
            (&*file.name().unwrap(), file.unix_mode()),
            ("bootstrap", Some(0o100_755))
        );
        drop(file);
        fs::remove_dir_all(&folder).unwrap();
    }
}
