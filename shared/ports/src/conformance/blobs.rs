//! What every store of blobs promises.

use std::sync::Arc;

use bytes::Bytes;
use porpoise_model::{ProjectId, VersionHash};
use tokio::task::JoinSet;

use crate::Blobs;

const PLACE: &str = "home";

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

/// Also nothing, and more than a page of a file system.
pub async fn what_is_put_is_read_back_under_its_hash<B: Blobs, G>(make: impl AsyncFn() -> (B, G)) {
    let (blobs, _guard) = make().await;
    for size in [0, 1, 4096, 3_000_000] {
        let bytes: Bytes = (0_u8..=255).cycle().take(size).collect();
        let hash = blobs
            .put(PLACE, project(), bytes.clone())
            .await
            .expect("put");
        assert_eq!(hash, VersionHash::of(&bytes));
        let read = blobs.get(PLACE, project(), hash).await.expect("get");
        assert_eq!(read, Some(bytes));
    }
}

/// It is no error.
pub async fn what_was_never_put_is_not_found<B: Blobs, G>(make: impl AsyncFn() -> (B, G)) {
    let (blobs, _guard) = make().await;
    let hash = VersionHash::of(b"never put");
    let read = blobs.get(PLACE, project(), hash).await.expect("get");
    assert_eq!(read, None);
}

/// And change nothing.
pub async fn the_same_bytes_can_be_put_again<B: Blobs, G>(make: impl AsyncFn() -> (B, G)) {
    let (blobs, _guard) = make().await;
    let bytes = Bytes::from_static(b"twice");
    let first = blobs
        .put(PLACE, project(), bytes.clone())
        .await
        .expect("put");
    let second = blobs
        .put(PLACE, project(), bytes.clone())
        .await
        .expect("put");
    assert_eq!(first, second);
    let read = blobs.get(PLACE, project(), first).await.expect("get");
    assert_eq!(read, Some(bytes));
}

/// A project does not read what another one put.
pub async fn projects_are_apart<B: Blobs, G>(make: impl AsyncFn() -> (B, G)) {
    let (blobs, _guard) = make().await;
    let bytes = Bytes::from_static(b"ours");
    let hash = blobs.put(PLACE, project(), bytes).await.expect("put");
    let theirs = ProjectId::of_name("finance");
    let read = blobs.get(PLACE, theirs, hash).await.expect("get");
    assert_eq!(read, None);
}

/// All succeed, and whole bytes are read meanwhile.
pub async fn several_writers_may_put_the_same_bytes_at_once<B: Blobs + 'static, G>(
    make: impl AsyncFn() -> (B, G),
) {
    let (blobs, _guard) = make().await;
    let blobs = Arc::new(blobs);
    let bytes = Bytes::from(vec![7; 100_000]);
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (blobs, bytes) = (Arc::clone(&blobs), bytes.clone());
        writers.spawn(async move {
            let hash = blobs
                .put(PLACE, project(), bytes.clone())
                .await
                .expect("put");
            let read = blobs.get(PLACE, project(), hash).await.expect("get");
            assert_eq!(read, Some(bytes));
        });
    }
    writers.join_all().await;
}
