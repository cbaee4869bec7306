//! All that is kept of the corpora is still understood, or refused, as it should be.

use std::fs;
use std::path::Path;

use porpoise_fuzz::TARGETS;

#[test]
fn all_that_is_kept_is_still_sound() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpora.join(name))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 10, "{name} has {} files", files.len());
        for file in files {
            target(&fs::read(&file).unwrap());
        }
    }
}
