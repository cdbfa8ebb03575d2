//! Counters by reason. Relaxed atomics: exact in sum, no order promised between them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::packet::Malformed;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        #[derive(Default)]
        pub struct Stats { $($(#[$doc])* pub $name: AtomicU64,)* }

        impl Stats {
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$(($label, self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Packets read off the device.
    read => "read",
    /// Packets rewritten and written back.
    rewritten => "rewritten",
    /// Bytes of those, headers included.
    rewritten_bytes => "rewrittenBytes",
    /// Packets handed up to TypeScript.
    raised => "raised",
    /// Packets TypeScript wrote.
    written => "written",
    dropped_truncated => "droppedTruncated",
    dropped_version => "droppedVersion",
    dropped_header => "droppedHeader",
    dropped_fragment => "droppedFragment",
    /// An offload header that does not fit its packet.
    dropped_offload => "droppedOffload",
    /// The queue to TypeScript was full.
    dropped_queue => "droppedQueue",
    /// The kernel refused a packet.
    dropped_write => "droppedWrite",
}

impl Stats {
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub fn malformed(&self, reason: Malformed) {
        Self::add(
            match reason {
                Malformed::Truncated => &self.dropped_truncated,
                Malformed::Version => &self.dropped_version,
                Malformed::HeaderLength => &self.dropped_header,
                Malformed::Fragment => &self.dropped_fragment,
            },
            1,
        );
    }
}
