//! The timeline: faults start and stop, come and go, and what they did is measured.
//!
//! Everything that has a time stands in the *agenda*; what waits for something else is *watched*
//! for. At each moment the set of active faults changes, the world is folded anew from the healthy
//! one, and the laboratory is brought to it. There is no undo. Before and after each fault the
//! counters of the links and hosts that it bends are read; the difference is its evidence.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use tokio::time::Instant;

use fabric::HostIndex;

use super::measure::{Snapshot, evidence, read_clocks, snapshot};
use super::roles::Roles;
use super::watches::{Watched, Watches, condition, ready};
use super::{Lab, LabError};
use crate::fault::{Aim, Beat, BeatTime, FaultSpec, Lasting, Link, Proof};
use crate::history::{ClockEvidence, EventKind, LoadEvidence};
use crate::host::HostId;
use crate::runtime::Runtime;
use crate::schedule::{EdgeKind, Fault, Rule, Schedule, draw_of};
use crate::workload::Pace;
use crate::world::{ActiveFault, World, fold};

/// The faults that are active, and what is still to come. Times are microseconds since the start
/// of the run.
pub struct Timeline<'a> {
    schedule: &'a Schedule,
    healthy: World,
    /// Those that started and have not been taken back; what is over by itself stays.
    active: BTreeMap<usize, Active>,
    /// Those that have ended.
    over: BTreeSet<usize>,
    /// Those that wait for others to end.
    waiting: BTreeSet<usize>,
    agenda: BTreeSet<(u64, Moment)>,
    watches: Watches,
    /// What load was wanted so far.
    pace: Pace,
    roles: Roles,
}

/// What happens at a time, in this order when at the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// A fault ends.
    Stop(usize),
    /// A fault hits others of its targets.
    Turn(usize),
    /// A fault starts.
    Start(usize),
    /// The condition of a fault is watched for.
    Watch(usize),
}

struct Active {
    fault: ActiveFault,
    /// All of its targets.
    targets: Vec<HostIndex>,
    before: Snapshot,
    /// The world right after the fault had begun.
    world: World,
    /// Whom it hits when, and how many of these moments have passed.
    beats: Vec<Beat>,
    beat: usize,
    /// The clocks, when they were to be most wrong.
    clocks: Option<ClockEvidence>,
    /// The arrivals' own time that had passed when it began, microseconds.
    passed_us: f64,
}

impl<'a> Timeline<'a> {
    /// Nothing is active yet.
    #[must_use]
    pub fn new(schedule: &'a Schedule) -> Self {
        Timeline {
            schedule,
            healthy: schedule.healthy(),
            active: BTreeMap::new(),
            over: BTreeSet::new(),
            waiting: BTreeSet::new(),
            agenda: BTreeSet::new(),
            watches: Watches::new(),
            pace: Pace::new(0),
            roles: Roles::default(),
        }
    }

    /// Carries out the timeline, whose times count from `clock`, to its end.
    ///
    /// # Errors
    /// When the laboratory cannot be brought to a world.
    pub async fn run<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        clock: Instant,
    ) -> Result<(), LabError> {
        let clock_us = lab.sink.at_us(clock);
        self.pace = Pace::new(clock_us);
        if self.schedule.faults.iter().any(Fault::is_dynamic) {
            self.roles.ask(lab).await;
        }
        self.plan(clock_us, false);
        let end_us = clock_us.saturating_add(self.schedule.timeline_us);
        self.go_on(lab, Some(end_us)).await
    }

    /// Ends every fault that can end, and brings the laboratory back to health.
    ///
    /// # Errors
    /// When the laboratory cannot be brought to health.
    pub async fn heal<R: Runtime>(&mut self, lab: &mut Lab<R>) -> Result<(), LabError> {
        self.agenda.clear();
        self.waiting.clear();
        self.watches = Watches::new();
        let stops: Vec<Moment> = self
            .active
            .keys()
            .filter(|fault| !self.over.contains(fault))
            .map(|fault| Moment::Stop(*fault))
            .collect();
        self.cross(lab, &stops, lab.sink.now_us()).await
    }

    /// Carries out the steps that are part of the recovery, and heals again. Does nothing when
    /// there are none.
    ///
    /// # Errors
    /// When the laboratory cannot be brought to a world.
    pub async fn run_recovery<R: Runtime>(&mut self, lab: &mut Lab<R>) -> Result<(), LabError> {
        if !self.schedule.faults.iter().any(|fault| fault.heals) {
            return Ok(());
        }
        self.plan(lab.sink.now_us(), true);
        self.go_on(lab, None).await?;
        self.heal(lab).await
    }

    /// Puts everything with a time into the agenda, counted from `zero_us`.
    fn plan(&mut self, zero_us: u64, heals: bool) {
        let mine = |fault: usize| self.schedule.faults[fault].heals == heals;
        for edge in self.schedule.edges.iter().filter(|edge| mine(edge.fault)) {
            // A stop is put there by its start.
            if edge.edge == EdgeKind::Start {
                let at_us = zero_us.saturating_add(edge.at_us);
                self.agenda.insert((at_us, Moment::Start(edge.fault)));
            }
        }
        for (number, fault) in self.schedule.faults.iter().enumerate() {
            if fault.heals != heals {
                continue;
            }
            match &fault.starts {
                None => {}
                Some(Rule::When { from_us, after, .. }) if after.is_empty() => {
                    let at_us = zero_us.saturating_add(*from_us);
                    self.agenda.insert((at_us, Moment::Watch(number)));
                }
                Some(_) => {
                    self.waiting.insert(number);
                }
            }
        }
    }

    /// Lets the agenda pass until `end_us`, or until nothing is left to come.
    async fn go_on<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        end_us: Option<u64>,
    ) -> Result<(), LabError> {
        loop {
            let next_us = self.agenda.first().map(|(at, _)| *at);
            let until_us = match (next_us, end_us) {
                (None, None) if self.watches.is_empty() => return Ok(()),
                (next, end) => next.unwrap_or(u64::MAX).min(end.unwrap_or(u64::MAX)),
            };
            tokio::select! {
                biased;
                () = sleep_until(lab, until_us) => {
                    if end_us.is_some_and(|end| until_us >= end) {
                        return Ok(());
                    }
                    let together = self.take_due(until_us);
                    self.cross(lab, &together, until_us).await?;
                }
                Some(watched) = self.watches.next() => self.watched(lab, watched).await?,
            }
        }
    }

    /// Takes what the agenda has for this moment, in order.
    fn take_due(&mut self, at_us: u64) -> Vec<Moment> {
        let mut due = Vec::new();
        while self.agenda.first().is_some_and(|(at, _)| *at <= at_us) {
            due.extend(self.agenda.pop_first().map(|(_, moment)| moment));
        }
        due.sort_unstable();
        due
    }

    async fn watched<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        watched: Watched,
    ) -> Result<(), LabError> {
        let now_us = lab.sink.now_us();
        match watched {
            Watched::Holds(fault) => self.cross(lab, &[Moment::Start(fault)], now_us).await,
            Watched::Ready(fault) => {
                let gap_us = match self.active.get(&fault).and_then(Active::next_beat) {
                    Some(BeatTime::OnceReady(_, gap_us)) => gap_us,
                    _ => 0,
                };
                let at_us = now_us.saturating_add(gap_us);
                self.agenda.insert((at_us, Moment::Turn(fault)));
                Ok(())
            }
        }
    }

    /// Applies moments that are at the same time, as one change of the world.
    async fn cross<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        moments: &[Moment],
        at_us: u64,
    ) -> Result<(), LabError> {
        let mut changed = Vec::new();
        for moment in moments {
            match *moment {
                Moment::Stop(fault) if self.active.contains_key(&fault) => {
                    self.stop(lab, fault).await?;
                    changed.push((fault, false));
                }
                Moment::Turn(fault) if self.turn(lab, fault).await => changed.push((fault, false)),
                Moment::Start(fault) => {
                    self.start(lab, fault, at_us).await?;
                    changed.push((fault, true));
                }
                Moment::Watch(fault) => self.watch(lab, fault),
                Moment::Stop(_) | Moment::Turn(_) => {}
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let world = fold(
            &self.healthy,
            self.active.values().map(|active| &active.fault),
        );
        self.pace.change(lab.sink.now_us(), world.load().clone());
        lab.apply(world.clone()).await?;
        for (fault, is_new) in changed {
            self.went_on(lab, fault, is_new, &world).await?;
        }
        Ok(())
    }

    /// Watches for the condition of a fault.
    fn watch<R: Runtime>(&mut self, lab: &Lab<R>, fault: usize) {
        if let Some(Rule::When {
            condition: when, ..
        }) = &self.schedule.faults[fault].starts
        {
            self.watches.push(condition(lab, fault, when));
        }
    }

    async fn start<R: Runtime>(
        &mut self,
        lab: &Lab<R>,
        number: usize,
        at_us: u64,
    ) -> Result<(), LabError> {
        let fault = &self.schedule.faults[number];
        let dynamic = self.roles.groups(fault, lab).await;
        let targets = self.schedule.targets(number, &dynamic);
        let links = self.schedule.links(number, &dynamic);
        let beats = self.schedule.beats(number, &targets);
        let hits = beats.first().map_or(&targets, |beat| &beat.hits).clone();
        let active = ActiveFault {
            fault: fault.fault.clone(),
            aim: Aim {
                hosts: hits,
                links: links.clone(),
                filter: fault.filter,
                draw: draw_of(self.schedule.seed, number),
                began_us: at_us,
            },
        };
        let name = |host: &HostIndex| lab.inventory.get(*host).id.clone();
        let pair = |(from, to): &Link| (name(from), name(to));
        lab.sink
            .emit(EventKind::FaultStarted {
                fault: number,
                targets: targets.iter().map(name).collect(),
                links: links.map(|links| links.iter().map(pair).collect()),
            })
            .await;
        if !beats.is_empty() {
            emit_turn(lab, number, &active.aim.hosts).await;
        }
        if let Some(lasts_us) = fault.lasts_us {
            let stop_us = at_us.saturating_add(lasts_us);
            self.agenda.insert((stop_us, Moment::Stop(number)));
        }
        let mut pace = self.pace.clone();
        pace.reach(lab.sink.now_us());
        let started = Active {
            before: snapshot(lab, &fault.fault, &targets).await?,
            fault: active,
            targets,
            world: self.healthy.clone(),
            beats,
            beat: 0,
            clocks: None,
            passed_us: pace.passed_us(),
        };
        self.active.insert(number, started);
        Ok(())
    }

    /// Lets a fault hit others of its targets; false when that is over.
    async fn turn<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) -> bool {
        let Some(active) = self.active.get_mut(&number) else {
            return false;
        };
        let Some(beat) = active.beats.get(active.beat + 1) else {
            return false;
        };
        active.fault.aim.hosts.clone_from(&beat.hits);
        active.beat += 1;
        emit_turn(lab, number, &active.fault.aim.hosts).await;
        true
    }

    /// After the world has changed: notes what a new fault began in, looks for its next moment,
    /// and ends what is over by itself.
    async fn went_on<R: Runtime>(
        &mut self,
        lab: &Lab<R>,
        number: usize,
        is_new: bool,
        world: &World,
    ) -> Result<(), LabError> {
        let Some(active) = self.active.get_mut(&number) else {
            return Ok(());
        };
        if self.over.contains(&number) {
            return Ok(());
        }
        if is_new {
            active.world = world.clone();
        }
        if active.fault.fault.inner().proof() == Proof::ClockRead {
            let read = read_clocks(lab, world, &active.targets).await;
            active.note_clocks(read);
        }
        let lasting = active.fault.fault.inner().lasting();
        let began_us = active.fault.aim.began_us;
        match (active.next_beat(), lasting) {
            (Some(BeatTime::After(after_us)), _) => {
                let at_us = began_us.saturating_add(after_us);
                self.agenda.insert((at_us, Moment::Turn(number)));
            }
            (Some(BeatTime::OnceReady(host, _)), _) => {
                self.watches.push(ready(lab, number, host));
            }
            (None, Lasting::Instant | Lasting::UntilDone) => {
                self.measure(lab, number).await?;
                self.ended(lab, number).await;
            }
            (None, Lasting::WhileActive) => {}
        }
        Ok(())
    }

    async fn stop<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) -> Result<(), LabError> {
        self.measure(lab, number).await?;
        let stays = self.schedule.faults[number].fault.ends_by_itself();
        if !stays {
            self.active.remove(&number);
        }
        self.ended(lab, number).await;
        Ok(())
    }

    /// A fault has ended: what waits for that may start.
    async fn ended<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) {
        self.over.insert(number);
        lab.sink
            .emit(EventKind::FaultStopped { fault: number })
            .await;
        let now_us = lab.sink.now_us();
        let mut due = Vec::new();
        for waiting in &self.waiting {
            let (after, wait_us, moment) = match &self.schedule.faults[*waiting].starts {
                Some(Rule::After { faults, wait_us }) => (faults, wait_us, Moment::Start(*waiting)),
                Some(Rule::When { after, from_us, .. }) => {
                    (after, from_us, Moment::Watch(*waiting))
                }
                None => continue,
            };
            if after.iter().all(|fault| self.over.contains(fault)) {
                due.push((*waiting, now_us.saturating_add(*wait_us), moment));
            }
        }
        for (waiting, at_us, moment) in due {
            self.waiting.remove(&waiting);
            self.agenda.insert((at_us, moment));
        }
    }

    /// Records what was measured of a fault since it began.
    async fn measure<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) -> Result<(), LabError> {
        let mut pace = self.pace.clone();
        pace.reach(lab.sink.now_us());
        let Some(active) = self.active.get_mut(&number) else {
            return Ok(());
        };
        if active.fault.fault.inner().proof() == Proof::ClockRead {
            let read = read_clocks(lab, lab.world(), &active.targets).await;
            active.note_clocks(read);
        }
        let after = snapshot(lab, &active.fault.fault, &active.targets).await?;
        let mut alone = active.fault.clone();
        alone.aim.hosts.clone_from(&active.targets);
        let mut evidence = evidence(&alone, &active.world, &self.healthy, &active.before, &after);
        evidence.clock = active.clocks;
        if active.fault.fault.inner().proof() == Proof::Load {
            let operations = after.operations.saturating_sub(active.before.operations);
            evidence.load = Some(self.load_evidence(number, operations, pace.passed_us()));
        }
        lab.sink
            .emit(EventKind::Measured {
                fault: number,
                evidence,
            })
            .await;
        Ok(())
    }

    /// What load was asked for and done since a fault began.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "numbers of operations and microseconds of a run are far below 2^53"
    )]
    fn load_evidence(&self, number: usize, operations: u64, passed_us: f64) -> LoadEvidence {
        let active = &self.active[&number];
        let workload = &self.schedule.workload;
        let rates = &workload.rates;
        // A contended registration is two operations.
        let registrations = rates.register.hertz() * (1.0 + workload.contention.fraction());
        let hertz = registrations + rates.resolve.hertz() + rates.update.hertz();
        let expected = |us: f64| (hertz * us / 1e6).round() as u64;
        let asked = expected(passed_us - active.passed_us);
        let crowd = match &active.fault.fault {
            FaultSpec::FlashCrowd(crowd) => u64::from(crowd.each) * active.targets.len() as u64,
            _ => 0,
        };
        let alone = fold(&World::healthy(0), [&active.fault]);
        let factor = alone.load().factor_at(u64::MAX).max(1e-6);
        let calm = (asked as f64 / factor).round() as u64;
        LoadEvidence {
            operations,
            asked: asked + crowd,
            calm,
        }
    }
}

impl Active {
    /// When it hits others next.
    fn next_beat(&self) -> Option<BeatTime> {
        self.beats.get(self.beat + 1).map(|beat| beat.at)
    }

    /// Keeps the reading of the moment at which the clocks were to be most wrong.
    fn note_clocks(&mut self, read: ClockEvidence) {
        let wrong = |one: &ClockEvidence| (one.hosts > 0, one.asked_us.unsigned_abs());
        if self
            .clocks
            .as_ref()
            .is_none_or(|best| wrong(&read) > wrong(best))
        {
            self.clocks = Some(read);
        }
    }
}

async fn emit_turn<R: Runtime>(lab: &Lab<R>, fault: usize, hits: &[HostIndex]) {
    let name = |host: &HostIndex| lab.inventory.get(*host).id.clone();
    let hits: Vec<HostId> = hits.iter().map(name).collect();
    lab.sink.emit(EventKind::FaultTurned { fault, hits }).await;
}

/// Sleeps until this moment of the run.
async fn sleep_until<R: Runtime>(lab: &Lab<R>, at_us: u64) {
    match at_us {
        u64::MAX => std::future::pending().await,
        at_us => tokio::time::sleep_until(lab.sink.moment(at_us)).await,
    }
}

#[cfg(test)]
mod tests;
