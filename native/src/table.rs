//! The flows the pump may rewrite by itself. TypeScript adds a flow once it is admitted, and retires it when its socket
//! has closed; a retired flow stays until the kernel's own closing handshake is over.

use std::collections::HashMap;

use crate::packet::{Endpoint, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TcpHead, Tuple};
use crate::reset::reset_packet;

/// A reset needs no answer; this long, packets already on their way still find the flow.
const AFTER_RESET_MS: u64 = 500;
/// After both FINs a lost last ACK may still be asked for again.
const AFTER_FIN_MS: u64 = 2_000;
/// A retired flow on which nothing moves, not even a zero-window probe (they come every two minutes at the slowest,
/// RFC 9293 section 3.8.6.1), is over.
const RETIRED_IDLE_MS: u64 = 150_000;

/// How one flow looks on either side of the rewrite.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// As the application sends it.
    pub application: Tuple,
    /// As the listener sees it.
    pub listener: Tuple,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    id: u32,
    mapping: Mapping,
    /// Initial sequence number of the SYN this flow was admitted for.
    isn: u32,
    /// What each side expects next, from its last ACK, for an exact reset.
    application_expects: Option<u32>,
    listener_expects: Option<u32>,
    /// Where each side will go on sending.
    application_next: u32,
    fin_application: bool,
    fin_listener: bool,
    reset: bool,
    retired: bool,
    seen_ms: u64,
}

/// What the pump does with a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write it back with these ends.
    Rewrite { source: Endpoint, destination: Endpoint },
    /// No flow claims it, or it opens a new one.
    Raise,
}

#[derive(Default)]
pub struct FlowTable {
    by_id: HashMap<u32, Flow>,
    by_application: HashMap<Tuple, u32>,
    /// Keyed as the listener's answers travel.
    by_listener: HashMap<Tuple, u32>,
}

fn reversed(tuple: &Tuple) -> Tuple {
    Tuple { source: tuple.destination, destination: tuple.source }
}

impl FlowTable {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// False (and no change) where the id or either tuple is taken, or families are mixed.
    pub fn add(&mut self, id: u32, mapping: Mapping, isn: u32, now_ms: u64) -> bool {
        let ends = [
            mapping.application.source,
            mapping.application.destination,
            mapping.listener.source,
            mapping.listener.destination,
        ];
        let answer = reversed(&mapping.listener);
        if ends.iter().any(|end| end.ip.is_ipv4() != ends[0].ip.is_ipv4())
            || self.by_id.contains_key(&id)
            || self.by_application.contains_key(&mapping.application)
            || self.by_listener.contains_key(&answer)
        {
            return false;
        }
        self.by_application.insert(mapping.application, id);
        self.by_listener.insert(answer, id);
        self.by_id.insert(
            id,
            Flow {
                id,
                mapping,
                isn,
                application_expects: None,
                listener_expects: None,
                application_next: isn.wrapping_add(1),
                fin_application: false,
                fin_listener: false,
                reset: false,
                retired: false,
                seen_ms: now_ms,
            },
        );
        true
    }

    /// Decide on one segment and note what it says of its flow.
    pub fn pass(&mut self, head: &TcpHead, now_ms: u64) -> Action {
        if let Some(flow) = self.by_application.get(&head.tuple).and_then(|id| self.by_id.get_mut(id)) {
            let opening = head.flags & (TCP_SYN | TCP_ACK) == TCP_SYN;
            // A SYN on a known tuple is a repeat of the admitted one, or a new flow that nobody has admitted yet.
            if opening && head.sequence != flow.isn {
                return Action::Raise;
            }
            flow.seen_ms = now_ms;
            flow.application_next = head.sequence.wrapping_add(head.span);
            if head.flags & TCP_ACK != 0 {
                flow.application_expects = Some(head.acknowledgment);
            }
            flow.fin_application |= head.flags & TCP_FIN != 0;
            flow.reset |= head.flags & TCP_RST != 0;
            let to = flow.mapping.listener;
            return Action::Rewrite { source: to.source, destination: to.destination };
        }
        if let Some(flow) = self.by_listener.get(&head.tuple).and_then(|id| self.by_id.get_mut(id)) {
            flow.seen_ms = now_ms;
            if head.flags & TCP_ACK != 0 {
                flow.listener_expects = Some(head.acknowledgment);
            }
            flow.fin_listener |= head.flags & TCP_FIN != 0;
            flow.reset |= head.flags & TCP_RST != 0;
            let to = reversed(&flow.mapping.application);
            return Action::Rewrite { source: to.source, destination: to.destination };
        }
        Action::Raise
    }

    /// The flow's socket has closed; it ends by itself once the kernel is done with it. Unknown ids are ignored.
    pub fn retire(&mut self, id: u32, now_ms: u64) {
        if let Some(flow) = self.by_id.get_mut(&id) {
            flow.retired = true;
            flow.seen_ms = now_ms;
        }
    }

    /// Forget the flow at once; the packets returned reset both of its sides.
    pub fn reset(&mut self, id: u32) -> Vec<Vec<u8>> {
        match self.remove(id) {
            Some(flow) if !flow.reset => reset_both(&flow),
            _ => Vec::new(),
        }
    }

    pub fn reset_all(&mut self) -> Vec<Vec<u8>> {
        let ids: Vec<u32> = self.by_id.keys().copied().collect();
        ids.into_iter().flat_map(|id| self.reset(id)).collect()
    }

    /// Drop retired flows that are over: their ids, and packets that reset those which only went quiet.
    pub fn sweep(&mut self, now_ms: u64) -> (Vec<u32>, Vec<Vec<u8>>) {
        let mut ended = Vec::new();
        let mut packets = Vec::new();
        let over: Vec<(u32, bool)> = self
            .by_id
            .values()
            .filter(|flow| flow.retired)
            .filter_map(|flow| {
                let idle = now_ms.saturating_sub(flow.seen_ms);
                let finished = flow.fin_application && flow.fin_listener;
                if (flow.reset && idle >= AFTER_RESET_MS) || (finished && idle >= AFTER_FIN_MS) {
                    Some((flow.id, false))
                } else if idle >= RETIRED_IDLE_MS {
                    Some((flow.id, true))
                } else {
                    None
                }
            })
            .collect();
        for (id, quiet) in over {
            if let Some(flow) = self.remove(id) {
                ended.push(id);
                if quiet {
                    packets.extend(reset_both(&flow));
                }
            }
        }
        (ended, packets)
    }

    fn remove(&mut self, id: u32) -> Option<Flow> {
        let flow = self.by_id.remove(&id)?;
        self.by_application.remove(&flow.mapping.application);
        self.by_listener.remove(&reversed(&flow.mapping.listener));
        Some(flow)
    }
}

/// A reset is heeded only with exactly the sequence number its receiver expects next (RFC 5961 section 3.2); before the
/// handshake's end the application takes one that acknowledges its SYN instead.
fn reset_both(flow: &Flow) -> Vec<Vec<u8>> {
    let sequence = flow.application_expects.unwrap_or(0);
    let mut packets = vec![reset_packet(&reversed(&flow.mapping.application), sequence, Some(flow.application_next))];
    if let Some(sequence) = flow.listener_expects {
        packets.push(reset_packet(&flow.mapping.listener, sequence, None));
    }
    packets
}
