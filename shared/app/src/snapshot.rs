//! Snapshots: what spares a cold start the reading of a whole log. Only ever a hint.
//!
//! Key: partition the aggregate's address, sort key `snapshot`, revision the last record in it. Body: CBOR
//! `[1, snapshot]`, or `[1, null, hash]` when the snapshot is larger than an item and lies in a blob.
//!
//! **Flat cost.** A snapshot is written when the records since the last one hold more than 64 KB and more than eight
//! times that one: since a state grows no faster than its log, snapshots add at most about an eighth to the bytes
//! that the log costs, and a cold start reads at most nine times the state.

use bytes::Bytes;
use porpoise_engine::record::Snapshot;
use porpoise_model::{Address, VersionHash};
use porpoise_ports::table::{Condition, Item, Key};

use crate::app::{App, HOME};
use crate::context::Steppable;
use crate::log::Loaded;
use crate::store::StoreError;

/// A shorter tail is not worth a snapshot.
const TAIL_BYTES_MIN: usize = 64 * 1024;
/// The tail outgrew the snapshot when it is so many times its size.
const TAIL_TIMES: usize = 8;
/// A larger snapshot lies in a blob: an item has 400 KB, keys included.
const INLINE_BYTES_MAX: usize = 390 * 1024;

fn key(address: Address) -> Key {
    Key::new(address.to_string(), "snapshot")
}

/// Whether the tail outgrew the snapshot.
pub(crate) fn is_due<A: Steppable>(loaded: &Loaded<A>) -> bool {
    loaded.tail_bytes > TAIL_BYTES_MIN.max(loaded.snapshot_bytes * TAIL_TIMES)
}

/// Writes a snapshot, unless a newer one stands there.
pub(crate) async fn write<A: Steppable>(
    app: &App,
    address: Address,
    loaded: &mut Loaded<A>,
) -> Result<(), StoreError> {
    let snapshot = Snapshot {
        fold: A::FOLD_VERSION,
        sequence: loaded.sequence,
        version: loaded.version,
        state: Some(std::mem::take(&mut loaded.state)),
    };
    let bytes = snapshot.to_bytes();
    loaded.state = snapshot.state.unwrap_or_default();
    let size = bytes.len();
    let body = if size > INLINE_BYTES_MAX {
        let hash = app
            .ports
            .blobs
            .put(HOME, address.project, bytes.into())
            .await?;
        minicbor::to_vec((1_u8, None::<&minicbor::bytes::ByteSlice>, hash))
    } else {
        minicbor::to_vec((1_u8, <&minicbor::bytes::ByteSlice>::from(&*bytes)))
    };
    let item = Item {
        key: key(address),
        revision: loaded.sequence,
        body: body.unwrap_or_default().into(),
    };
    app.store
        .put(item, Condition::OlderThan(loaded.sequence))
        .await?;
    loaded.tail_bytes = 0;
    loaded.snapshot_bytes = size;
    Ok(())
}

/// The newest snapshot, if this release can use it. Its context is still to be loaded.
pub(crate) async fn read<A: Steppable>(
    app: &App,
    address: Address,
) -> Result<Option<Loaded<A>>, StoreError> {
    let Some(item) = app.store.hint(&key(address)).await? else {
        return Ok(None);
    };
    let bytes = match locate(&item.body) {
        Ok(Place::Inline(bytes)) => Some(bytes),
        Ok(Place::Blob(hash)) => app.ports.blobs.get(HOME, address.project, hash).await?,
        Err(error) => {
            tracing::warn!(%address, %error, "snapshot cannot be read, folding the log");
            None
        }
    };
    Ok(bytes.and_then(|bytes| decode(address, &bytes)))
}

enum Place {
    Inline(Bytes),
    Blob(VersionHash),
}

fn locate(body: &Bytes) -> Result<Place, minicbor::decode::Error> {
    let mut d = minicbor::Decoder::new(body);
    d.array()?;
    if d.u8()? > 1 {
        return Err(minicbor::decode::Error::message(
            "written by a later release",
        ));
    }
    if d.datatype()? == minicbor::data::Type::Null {
        d.skip()?;
        return Ok(Place::Blob(d.decode()?));
    }
    Ok(Place::Inline(body.slice_ref(d.bytes()?)))
}

fn decode<A: Steppable>(address: Address, bytes: &[u8]) -> Option<Loaded<A>> {
    match Snapshot::<A::State>::from_bytes(bytes, A::FOLD_VERSION) {
        Ok(snapshot) => Some(Loaded {
            state: snapshot.state?,
            context: None,
            version: snapshot.version,
            sequence: snapshot.sequence,
            tail_bytes: 0,
            snapshot_bytes: bytes.len(),
            written: None,
        }),
        Err(error) => {
            tracing::warn!(%address, %error, "snapshot cannot be used, folding the log");
            None
        }
    }
}
