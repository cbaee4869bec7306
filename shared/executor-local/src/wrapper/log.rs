//! The log of an attempt: its lines as they come, of which the middle is cut out when there are too many.
//!
//! The first half of the bytes goes to `log` at once. What follows goes in turn to two files of a quarter each, of
//! which the older is emptied whenever the newer is full; in the end they are appended. `log` only ever grows, so that
//! a place in it stays what it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::layout::{AttemptDir, private};
use crate::secret::Mask;

const TAILS: [&str; 2] = ["tail.0", "tail.1"];
/// Longer lines are broken up.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A log that is written.
#[derive(Debug)]
pub(super) struct Log {
    dir: AttemptDir,
    /// From the first line.
    head: Option<File>,
    /// Bytes that still go to the head.
    room: u64,
    quarter: u64,
    tail: Option<Tail>,
}

#[derive(Debug)]
struct Tail {
    file: File,
    bytes: u64,
    /// Which of the two is written, and what the other one holds.
    current: usize,
    other: u64,
    cut: u64,
}

impl Log {
    pub(super) fn new(dir: &AttemptDir, bytes_max: u64) -> Self {
        Self {
            head: None,
            dir: dir.clone(),
            room: bytes_max / 2,
            quarter: (bytes_max / 4).max(1),
            tail: None,
        }
    }

    fn head(&mut self) -> io::Result<&mut File> {
        let head = match self.head.take() {
            Some(head) => head,
            None => private(&self.dir.file("log"))?,
        };
        Ok(self.head.insert(head))
    }

    /// Writes a line of a stream: `out`, `err`, or `sys` for what we say ourselves.
    pub(super) fn line(&mut self, stream: &str, text: &[u8]) -> io::Result<()> {
        let mut line = format!("{:.3} {stream} ", crate::now()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        let size = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.tail.is_none() && size <= self.room {
            self.room -= size;
            return self.head()?.write_all(&line);
        }
        let tail = match self.tail.take() {
            Some(tail) if tail.bytes + size <= self.quarter || tail.bytes == 0 => tail,
            Some(tail) => tail.turn(&self.dir)?,
            None => Tail::begin(&self.dir)?,
        };
        self.tail.insert(tail).write(&line, size)
    }

    /// Appends the end that was kept aside.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let Some(tail) = self.tail.take() else {
            return Ok(());
        };
        let dir = self.dir.clone();
        let head = self.head()?;
        if tail.cut > 0 {
            let (at, cut) = (crate::now(), tail.cut);
            writeln!(
                head,
                "{at:.3} sys {cut} bytes were cut here: the log grew too long"
            )?;
        }
        for index in [1 - tail.current, tail.current] {
            append(&dir, head, index)?;
        }
        remove(&dir)
    }
}

impl Tail {
    fn begin(dir: &AttemptDir) -> io::Result<Self> {
        Ok(Self {
            file: open(dir, 0)?,
            bytes: 0,
            current: 0,
            other: 0,
            cut: 0,
        })
    }

    fn turn(self, dir: &AttemptDir) -> io::Result<Self> {
        let current = 1 - self.current;
        Ok(Self {
            file: open(dir, current)?,
            bytes: 0,
            current,
            other: self.bytes,
            cut: self.cut + self.other,
        })
    }

    fn write(&mut self, line: &[u8], size: u64) -> io::Result<()> {
        self.bytes += size;
        self.file.write_all(line)
    }
}

/// Appends the end of a log whose wrapper is gone, if there is one: how much was cut, nobody knows any more.
pub(crate) fn append_tail(dir: &AttemptDir) -> io::Result<()> {
    let written = |index: usize| {
        let name = TAILS.get(index).copied().unwrap_or_default();
        fs::metadata(dir.file(name)).and_then(|found| found.modified())
    };
    let (first, second) = (written(0), written(1));
    if first.is_err() && second.is_err() {
        return Ok(());
    }
    let newest = match (first, second) {
        (Ok(first), Ok(second)) => usize::from(second > first),
        (_, second) => usize::from(second.is_ok()),
    };
    let mut head = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(dir.file("log"))?;
    let at = crate::now();
    writeln!(
        head,
        "{at:.3} sys something may be cut here: the log grew too long"
    )?;
    for index in [1 - newest, newest] {
        append(dir, &mut head, index)?;
    }
    remove(dir)
}

fn open(dir: &AttemptDir, index: usize) -> io::Result<File> {
    private(&dir.file(TAILS.get(index).copied().unwrap_or_default()))
}

fn append(dir: &AttemptDir, head: &mut File, index: usize) -> io::Result<()> {
    let name = TAILS.get(index).copied().unwrap_or_default();
    match File::open(dir.file(name)) {
        Ok(mut tail) => io::copy(&mut tail, head).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove(dir: &AttemptDir) -> io::Result<()> {
    for name in TAILS {
        match fs::remove_file(dir.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Cuts a stream into lines, with the secrets masked.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what came, and hands on each line that is complete: as it came, and masked.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mask: &Mask,
        mut each: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.pending.pop();
                self.flush(mask, &mut each)?;
            } else if self.pending.len() > LINE_BYTES_MAX + mask.overlap() {
                // What may be the beginning of a secret waits for the rest of it.
                mask.apply(&mut self.pending);
                let keep = self.pending.len().saturating_sub(mask.overlap());
                let rest = self.pending.split_off(keep);
                each(&self.pending, &self.pending)?;
                self.pending = rest;
            }
        }
        Ok(())
    }

    /// The last line, if it has no end.
    pub(super) fn finish(
        &mut self,
        mask: &Mask,
        mut each: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.flush(mask, &mut each)
    }

    fn flush(
        &mut self,
        mask: &Mask,
        each: &mut impl FnMut(&[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let line = std::mem::take(&mut self.pending);
        let mut masked = line.clone();
        mask.apply(&mut masked);
        each(&line, &masked)
    }
}
