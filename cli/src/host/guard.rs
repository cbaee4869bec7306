//! Work that may panic: one bug of ours must not end a loop on which everything else waits.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Does the work; what panics fails. Gives the error and what is behind it, in one line.
///
/// Whatever the work shares with others it changes under locks that a panic does not close, or takes out while it
/// works: what it leaves behind is read again from the store.
pub(crate) async fn guarded<T, E: Error>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let mut work = pin!(work);
    let ended = std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(ended)) => Poll::Ready(ended.map_err(|error| chain(&error))),
            Err(panic) => Poll::Ready(Err(format!("panicked: {}", message(&*panic)))),
        }
    });
    ended.await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message")
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn work_that_panics_fails_and_no_more() {
        let panics = async {
            tokio::task::yield_now().await;
            Ok::<u8, io::Error>("none".parse().expect("a bug"))
        };
        let told = guarded(panics).await.unwrap_err();
        assert!(told.starts_with("panicked: a bug"), "{told}");
        let fails = async { Err::<u8, _>(io::Error::other("full")) };
        assert_eq!(guarded(fails).await.unwrap_err(), "full");
        assert_eq!(guarded(async { Ok::<u8, io::Error>(7) }).await, Ok(7));
    }
}
