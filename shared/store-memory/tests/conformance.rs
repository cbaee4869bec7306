//! The memory adapters against the suites of their ports.

use porpoise_ports::{Metered, blobs_conformance, table_conformance};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};

table_conformance!(memory_table, async || (MemoryTable::new(), ()));
table_conformance!(metered_table, async || (
    Metered::new(MemoryTable::new()),
    ()
));
blobs_conformance!(memory_blobs, async || (MemoryBlobs::new(), ()));
