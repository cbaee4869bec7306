//! What every queue promises. A suite names the receiving side, which is the host's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::{Address, ProjectId, RunId};
use tokio::task::JoinSet;

use crate::Queue;
use crate::queue::Message;

/// The receiving side of a queue.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// What is kept of a batch until it is done.
    type Receipt: Send;

    /// Some of what waits; nothing if nothing has come for about a second. A group of which something is neither
    /// [done](Self::done) nor [returned](Self::returned) gives nothing.
    async fn take(&self) -> Vec<Taken<Self::Receipt>>;

    /// It was taken in.
    async fn done(&self, receipt: Self::Receipt);

    /// It could not be taken in: it comes again.
    async fn returned(&self, receipt: Self::Receipt);
}

/// Messages of one group, in their order.
#[derive(Debug)]
pub struct Taken<R> {
    /// The group.
    pub group: Address,
    /// What was sent.
    pub bodies: Vec<Bytes>,
    /// With which they are done or returned.
    pub receipt: R,
}

/// What arrived, by group.
type Arrived = BTreeMap<Address, Vec<Bytes>>;

fn group(number: u8) -> Address {
    Address::run(
        ProjectId::of_name("retail"),
        RunId::from_bytes([number; 16]),
    )
}

/// Ids that no other message of this process has.
fn fresh() -> u128 {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    u128::from(DRAWN.fetch_add(1, Ordering::Relaxed))
}

fn message(number: u8, body: impl Into<Bytes>) -> Message {
    Message {
        group: group(number),
        deduplication: fresh(),
        body: body.into(),
    }
}

/// Takes and is done, until `count` bodies arrived or nothing comes any more.
async fn arrivals(receiver: &impl Receiver, count: usize) -> Arrived {
    let mut arrived = Arrived::new();
    while arrived.values().map(Vec::len).sum::<usize>() < count {
        let batches = receiver.take().await;
        if batches.is_empty() {
            break;
        }
        for taken in batches {
            arrived.entry(taken.group).or_default().extend(taken.bodies);
            receiver.done(taken.receipt).await;
        }
    }
    arrived
}

/// What arrived for one group.
fn of(arrived: &Arrived, number: u8) -> &[Bytes] {
    let bodies = arrived.get(&group(number));
    bodies.map_or(&[], Vec::as_slice)
}

async fn nothing_more(receiver: &impl Receiver) {
    let more = arrivals(receiver, 1).await;
    assert!(more.is_empty(), "{more:?}");
}

fn texts(bodies: &[Bytes]) -> Vec<&str> {
    let texts = bodies.iter().map(|body| std::str::from_utf8(body));
    texts.collect::<Result<_, _>>().expect("texts")
}

/// However the groups are mixed, and over several sends.
pub async fn everything_arrives_in_order_within_its_group<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let mut sent = Arrived::new();
    for call in 0..3 {
        let messages: Vec<Message> = (0..12)
            .map(|number| message(number % 5, format!("{call}.{number}")))
            .collect();
        for one in &messages {
            sent.entry(one.group).or_default().push(one.body.clone());
        }
        queue.send(messages).await.expect("send");
    }
    assert_eq!(arrivals(&receiver, 36).await, sent);
    nothing_more(&receiver).await;
}

/// And in order, also when most are for one group.
pub async fn thousands_sent_at_once_arrive<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let mut sent = Arrived::new();
    let messages: Vec<Message> = (0_u32..3_000)
        .map(|number| {
            let few = u8::try_from(number % 40).expect("below 40");
            let to = if number % 3 == 0 { few } else { 99 };
            message(to, format!("{number:>200}"))
        })
        .collect();
    for one in &messages {
        sent.entry(one.group).or_default().push(one.body.clone());
    }
    queue.send(messages).await.expect("send");
    let arrived = arrivals(&receiver, 3_000).await;
    assert!(
        arrived == sent,
        "{:?}",
        arrived.values().map(Vec::len).collect::<Vec<_>>()
    );
}

/// Nothing at all, every byte, and as much as a batch of reports has at the most.
pub async fn bodies_arrive_as_they_are<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let mut bodies: Vec<Bytes> = [0, 1, 256, 70_000, 200 * 1024, 0]
        .map(|size| (0_u8..=255).cycle().take(size).collect())
        .into();
    bodies.push("ends, with: commas, \n lines and \u{1}".into());
    let messages = bodies.iter().map(|body| message(1, body.clone())).collect();
    queue.send(messages).await.expect("send");
    let arrived = arrivals(&receiver, bodies.len()).await;
    let arrived = of(&arrived, 1);
    let lengths = |bodies: &[Bytes]| bodies.iter().map(Bytes::len).collect::<Vec<_>>();
    assert_eq!(lengths(arrived), lengths(&bodies));
    assert!(arrived == bodies);
}

/// Ten in one call are more than a megabyte.
pub async fn large_bodies_of_many_groups_arrive<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let messages: Vec<Message> = (0..12)
        .map(|number| message(number, vec![number; 180_000]))
        .collect();
    let sent: Arrived = messages
        .iter()
        .map(|one| (one.group, vec![one.body.clone()]))
        .collect();
    queue.send(messages).await.expect("send");
    assert!(arrivals(&receiver, 12).await == sent);
}

/// It is sent twice on purpose.
pub async fn equal_bodies_with_ids_of_their_own_all_arrive<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    for _ in 0..2 {
        let messages = (0..3).map(|_| message(1, "again")).collect();
        queue.send(messages).await.expect("send");
    }
    assert_eq!(texts(of(&arrivals(&receiver, 6).await, 1)), ["again"; 6]);
}

/// A repeat may be dropped. What came with it may not.
pub async fn a_repeat_takes_nothing_else_away<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let [first, second, third] = ["1", "2", "3"].map(|body| message(1, body));
    queue.send(vec![first.clone()]).await.expect("send");
    let both = vec![first, second.clone()];
    queue.send(both).await.expect("send again, and another");
    queue.send(vec![second, third]).await.expect("and another");
    let arrived = arrivals(&receiver, usize::MAX).await;
    let distinct: BTreeSet<&str> = texts(of(&arrived, 1)).into_iter().collect();
    assert_eq!(distinct.into_iter().collect::<Vec<_>>(), ["1", "2", "3"]);
}

/// One aggregate has one batch in flight; others go on.
pub async fn a_group_in_flight_gives_nothing_more<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    queue.send(vec![message(1, "1")]).await.expect("send");
    let mut taken = receiver.take().await;
    let first = taken.pop().expect("it arrives");
    let more = vec![message(1, "2"), message(2, "other")];
    queue.send(more).await.expect("send more");
    let meanwhile = arrivals(&receiver, usize::MAX).await;
    assert_eq!(meanwhile.keys().collect::<Vec<_>>(), [&group(2)]);
    receiver.done(first.receipt).await;
    assert_eq!(texts(of(&arrivals(&receiver, 1).await, 1)), ["2"]);
}

/// Before what came later.
pub async fn what_is_returned_comes_again_first<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let messages = vec![message(1, "1"), message(1, "2")];
    queue.send(messages).await.expect("send");
    let taken = receiver.take().await;
    assert!(!taken.is_empty(), "it arrives");
    queue.send(vec![message(1, "3")]).await.expect("send");
    for one in taken {
        receiver.returned(one.receipt).await;
    }
    assert_eq!(texts(of(&arrivals(&receiver, 3).await, 1)), ["1", "2", "3"]);
}

/// Each one's messages keep their order.
pub async fn several_senders_may_send_at_once<Q: Queue + 'static, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let queue = Arc::new(queue);
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let queue = Arc::clone(&queue);
        senders.spawn(async move {
            for call in 0..5 {
                let messages = (0..4).map(|number| message(1, format!("{sender} {call} {number}")));
                queue.send(messages.collect()).await.expect("send");
            }
        });
    }
    senders.join_all().await;
    let arrived = arrivals(&receiver, 80).await;
    let arrived = texts(of(&arrived, 1));
    assert_eq!(arrived.len(), 80);
    for sender in ["0", "1", "2", "3"] {
        let own: Vec<&&str> = arrived
            .iter()
            .filter(|text| text.starts_with(sender))
            .collect();
        assert!(own.is_sorted(), "{own:?}");
    }
}

/// It returns when they cannot be lost any more, which may take until they are taken in.
pub async fn what_is_handed_over_arrives<Q: Queue, R: Receiver, G>(
    make: impl AsyncFn() -> (Q, R, G),
) {
    let (queue, receiver, _guard) = make().await;
    let messages = vec![message(1, "a command"), message(2, "another")];
    let (handed, arrived) = tokio::join!(queue.hand_over(messages), arrivals(&receiver, 2));
    handed.expect("handed over");
    assert_eq!(texts(of(&arrived, 1)), ["a command"]);
    assert_eq!(texts(of(&arrived, 2)), ["another"]);
}

/// And arrive as nothing.
pub async fn no_messages_are_no_fault<Q: Queue, R: Receiver, G>(make: impl AsyncFn() -> (Q, R, G)) {
    let (queue, receiver, _guard) = make().await;
    queue.send(Vec::new()).await.expect("send nothing");
    queue
        .hand_over(Vec::new())
        .await
        .expect("hand over nothing");
    nothing_more(&receiver).await;
}
