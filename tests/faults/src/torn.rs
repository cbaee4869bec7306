//! A body that ends in the middle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame};

/// The first half of some bytes, then an error.
#[derive(Debug)]
struct Torn {
    half: Option<Bytes>,
    told: bool,
}

/// What is left of `bytes` when the connection breaks half-way.
pub(crate) fn torn(bytes: &[u8]) -> SdkBody {
    let (half, _) = bytes.split_at(bytes.len() / 2);
    SdkBody::from_body_1_x(Torn {
        half: Some(Bytes::copy_from_slice(half)),
        told: false,
    })
}

impl Body for Torn {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take().filter(|half| !half.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if std::mem::replace(&mut self.told, true) {
            return Poll::Ready(None);
        }
        let error = io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the connection was reset within the answer",
        );
        Poll::Ready(Some(Err(error)))
    }
}
