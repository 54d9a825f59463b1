//! What the directory promises while the registry is down.

use std::time::Duration;

use fabric::HostIndex;
use harness::fault::FaultSpec;
use harness::history::{Answer, OperationKind, Outcome, Purpose};
use harness::system::System;
use harness::workload::Request;
use harness::world::{ActiveFault, fold};
use tokio::time::Instant;

use crate::bed::{Bed, block_on};

const SYSTEM: &str = "
name: outage
question: Do names registered during an outage resolve everywhere, and are they certified after it?
system: {registry: 1, nodes: 9, mirrors: 5, replicas: 3}
workload: {rates: {resolve: 1/s}}
";

/// How long a state may take to come about: generous, the machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Goal: names registered while the registry is dead resolve from every other node meanwhile, and
/// are certified once it is back. Method: real processes; the world is set by hand.
pub fn names_registered_during_the_outage() {
    block_on(async {
        let mut bed = Bed::new(SYSTEM);
        bed.lab
            .boot(bed.system.start_order(), PATIENCE)
            .await
            .expect("all get ready");
        let healthy = bed.schedule.healthy();
        let registry = HostIndex(0);
        let dead = ActiveFault::at(FaultSpec::Kill, &[registry]);
        bed.lab
            .apply(fold(&healthy, [&dead]))
            .await
            .expect("the registry dies");

        let nodes: Vec<HostIndex> = bed
            .lab
            .inventory
            .indexes()
            .filter(|host| *host != registry)
            .collect();
        for owner in &nodes {
            let name = name_of(*owner);
            let answer = operate(&bed, OperationKind::Register, &name, *owner).await;
            assert!(!answer.certified, "{name}: nobody can certify now");
            assert!(
                answer.mirrored,
                "{name}: a majority of its mirrors holds it"
            );
        }
        for reader in &nodes {
            for owner in nodes.iter().filter(|owner| *owner != reader) {
                let name = name_of(*owner);
                let answer = operate(&bed, OperationKind::Resolve, &name, *reader).await;
                assert!(!answer.stale, "{name} from {reader:?}: {answer:?}");
                assert!(!answer.certified, "{name} from {reader:?}: {answer:?}");
            }
        }

        bed.lab
            .apply(healthy)
            .await
            .expect("the registry is started again");
        let all = bed.lab.inventory.indexes();
        bed.lab
            .await_ready(all, Instant::now() + PATIENCE, PATIENCE)
            .await
            .expect("the registry is back");
        let deadline = Instant::now() + PATIENCE;
        for owner in &nodes {
            for reader in nodes.iter().filter(|reader| *reader != owner) {
                until_certified(&bed, &name_of(*owner), *reader, deadline).await;
            }
        }
        bed.end().await;
    });
}

fn name_of(owner: HostIndex) -> String {
    format!("during-{}", owner.0)
}

/// Does an operation that must succeed at the first attempt.
async fn operate(bed: &Bed, kind: OperationKind, name: &str, host: HostIndex) -> Answer {
    let request = Request {
        purpose: Purpose::Workload,
        kind,
        name: name.to_owned(),
        intended: Instant::now(),
        deadline: Duration::from_secs(10),
    };
    match bed.lab.operate(request, host).await {
        Outcome::Ok(answer) => answer,
        refused => panic!("{kind} {name} at {host:?}: {refused:?}"),
    }
}

/// Resolves until the answer is final; the settlement is asynchronous by design.
async fn until_certified(bed: &Bed, name: &str, reader: HostIndex, deadline: Instant) {
    loop {
        let answer = operate(bed, OperationKind::Resolve, name, reader).await;
        if answer.certified {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{name} was not certified: {answer:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
