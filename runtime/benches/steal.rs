//! How stealing behaves on machines from 2 to 128 workers: the scheduler's own policy, simulated workers.
//!
//! The rings, their patience, and who is woken by whom are the code that runs in a runtime (`fiber::internals::StealPolicy`); workers,
//! queues and time are simulated, so the numbers are the same on every machine. Beside it stands the same policy on a machine of
//! which nothing is known, where every worker is equally near: stealing at random.
//!
//! ```sh
//! cargo bench -p fiber --features internals --bench steal
//! cargo bench -p fiber --features internals --bench steal -- --svg /tmp/steal.svg
//! ```

#[path = "../tests/common/sysfs.rs"]
mod sysfs;

use fiber::internals::StealPolicy;
use fiber::runtime::Topology;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use sysfs::Machine;

/// What things take, in nanoseconds: orders of magnitude of a current server.
const SPAWN: u64 = 100;
const RUN: u64 = 50_000;
const PROBE: u64 = 20;
const REMOTE_PROBE: u64 = 100;
const STEAL: u64 = 100;
const REMOTE_STEAL: u64 = 500;
const SPIN: u64 = 1_000;
const LAST_LOOK: u64 = 300;
/// From the doorbell until the woken thread runs.
const WAKE: u64 = 20_000;

/// Sockets, nodes of each, cores of each.
const MACHINES: [(usize, usize, usize); 7] =
    [(1, 1, 2), (1, 1, 4), (1, 2, 4), (2, 1, 8), (2, 2, 8), (2, 4, 8), (2, 4, 16)];

fn machine(sockets: usize, nodes: usize, cores: usize) -> Machine {
    let mut text = String::new();
    for node in 0..sockets * nodes {
        let (first, last) = (node * cores, (node + 1) * cores - 1);
        for cpu in first..=last {
            writeln!(text, "cpu {cpu} package={} core={cpu} cache=3:32768K:{first}-{last}", node / nodes).unwrap();
        }
        let distance = |to: usize| match (to == node, to / nodes == node / nodes) {
            (true, _) => "10",
            (_, true) => "12",
            _ => "32",
        };
        let distances: Vec<&str> = (0..sockets * nodes).map(distance).collect();
        writeln!(text, "node {node} cpus={first}-{last} distance={} memory=33554432", distances.join(",")).unwrap();
    }
    Machine::new(&text)
}

/// What a worker does next.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Go,
    Park,
    Asleep,
    /// The doorbell was rung.
    Wake,
}

struct Worker {
    step: Step,
    queue: VecDeque<()>,
    /// Fibers that its running one has yet to spawn.
    to_spawn: u64,
    searching: bool,
    misses: u32,
    random: u64,
    began: Option<u64>,
}

/// What came of a simulation.
#[derive(Default)]
struct Outcome {
    /// When every worker had begun a fiber.
    balanced: Option<u64>,
    end: u64,
    spawned: u64,
    stolen: u64,
    remote: u64,
    wakes: u64,
}

struct Simulation<'a> {
    policy: StealPolicy,
    /// The nodes as they are, whatever the policy knows of them.
    node: &'a dyn Fn(usize) -> usize,
    workers: Vec<Worker>,
    /// When whose next step is due; the number keeps equal times in order.
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    count: u64,
    now: u64,
    outcome: Outcome,
}

impl<'a> Simulation<'a> {
    fn new(topology: &Topology, workers: usize, node: &'a dyn Fn(usize) -> usize) -> Simulation<'a> {
        let worker = |index: usize| Worker {
            step: Step::Go,
            queue: VecDeque::new(),
            to_spawn: 0,
            searching: false,
            misses: 0,
            random: (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            began: None,
        };
        let mut simulation = Simulation {
            policy: StealPolicy::new(topology, workers),
            node,
            workers: (0..workers).map(worker).collect(),
            events: BinaryHeap::new(),
            count: 0,
            now: 0,
            outcome: Outcome::default(),
        };
        // All have gone to sleep.
        for worker in 0..workers {
            simulation.policy.fall_asleep(worker, false);
            simulation.workers[worker].step = Step::Asleep;
            simulation.workers[worker].misses = u32::MAX;
        }
        simulation
    }

    fn at(&mut self, time: u64, worker: usize) {
        self.count += 1;
        self.events.push(Reverse((time, self.count, worker)));
    }

    fn random(&mut self, worker: usize, below: usize) -> usize {
        let x = &mut self.workers[worker].random;
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        (*x >> 33) as usize % below
    }

    /// The doorbell of a worker, if one was chosen.
    fn ring(&mut self, chosen: Option<usize>, after: u64) {
        if let Some(worker) = chosen
            && self.workers[worker].step == Step::Asleep
        {
            self.workers[worker].step = Step::Wake;
            self.outcome.wakes += 1;
            self.at(self.now + after + WAKE, worker);
        }
    }

    /// A worker gets something to do from outside: a connection, a timer.
    fn disturb(&mut self, worker: usize, spawns: u64) {
        self.workers[worker].to_spawn += spawns;
        self.ring(Some(worker), 0);
    }

    fn has_fresh(&self) -> bool {
        self.workers.iter().any(|worker| !worker.queue.is_empty())
    }

    fn search_ended(&mut self, worker: usize, last: bool) {
        if last && self.has_fresh() {
            self.ring(self.policy.wake_for(worker), 0);
        }
    }

    fn stop_searching(&mut self, worker: usize) {
        if std::mem::take(&mut self.workers[worker].searching) {
            let last = self.policy.stop_searching(worker);
            self.search_ended(worker, last);
        }
    }

    /// One step of a worker; what it takes, unless the worker sleeps after it.
    fn step(&mut self, index: usize) -> Option<u64> {
        match self.workers[index].step {
            Step::Wake => {
                self.workers[index].searching = self.policy.wake_up(index);
                self.workers[index].misses = u32::MAX;
                self.workers[index].step = Step::Go;
                Some(0)
            }
            Step::Go => Some(self.go(index)),
            Step::Park => {
                let searching = std::mem::take(&mut self.workers[index].searching);
                let last = self.policy.fall_asleep(index, searching);
                self.workers[index].step = Step::Asleep;
                if !self.has_fresh() && self.workers[index].to_spawn == 0 {
                    return None;
                }
                self.search_ended(index, last);
                if self.workers[index].step == Step::Wake {
                    // It chose itself.
                    return None;
                }
                self.workers[index].searching = self.policy.wake_up(index);
                self.workers[index].step = Step::Go;
                Some(LAST_LOOK)
            }
            Step::Asleep => None,
        }
    }

    /// Runs the turn of a worker that is awake.
    fn go(&mut self, index: usize) -> u64 {
        if self.workers[index].to_spawn > 0 {
            self.stop_searching(index);
            let worker = &mut self.workers[index];
            worker.misses = 0;
            worker.to_spawn -= 1;
            worker.queue.push_back(());
            self.outcome.spawned += 1;
            self.ring(self.policy.wake_for(index), SPAWN);
            return SPAWN;
        }
        if self.workers[index].queue.pop_back().is_some() {
            self.workers[index].misses = 0;
            self.stop_searching(index);
            return self.run(index);
        }
        let misses = self.workers[index].misses;
        if !self.workers[index].searching && !self.policy.start_searching(index) {
            self.workers[index].step = Step::Park;
            return SPIN;
        }
        self.workers[index].searching = true;
        let mut took = 0;
        let rings: Vec<(usize, Vec<usize>)> =
            self.policy.rings(index, misses).map(|(batch, victims)| (batch, victims.to_vec())).collect();
        for (most, victims) in rings {
            let first = self.random(index, victims.len());
            for &victim in victims[first..].iter().chain(&victims[..first]) {
                let remote = (self.node)(victim) != (self.node)(index);
                took += if remote { REMOTE_PROBE } else { PROBE };
                let there = self.workers[victim].queue.len();
                if there == 0 {
                    continue;
                }
                let batch = there.div_ceil(2).min(most);
                let fibers: Vec<()> = self.workers[victim].queue.drain(..batch).collect();
                self.workers[index].queue.extend(&fibers[1..]);
                self.workers[index].misses = 0;
                self.outcome.stolen += batch as u64;
                if remote {
                    self.outcome.remote += batch as u64;
                }
                self.stop_searching(index);
                return took + if remote { REMOTE_STEAL } else { STEAL } + self.run(index);
            }
        }
        self.workers[index].misses = misses.saturating_add(1);
        self.workers[index].step = Step::Park;
        took + SPIN
    }

    fn run(&mut self, index: usize) -> u64 {
        if self.workers[index].began.is_none() {
            self.workers[index].began = Some(self.now);
            if self.workers.iter().all(|worker| worker.began.is_some()) {
                self.outcome.balanced = Some(self.now);
            }
        }
        self.outcome.end = self.outcome.end.max(self.now + RUN);
        RUN
    }

    /// Runs until all sleep, with what comes from outside: times, workers, spawns.
    fn play(mut self, mut outside: VecDeque<(u64, usize, u64)>) -> Outcome {
        loop {
            let next = self.events.peek().map(|&Reverse((time, ..))| time);
            if let Some(&(time, worker, spawns)) = outside.front()
                && next.is_none_or(|next| time <= next)
            {
                outside.pop_front();
                self.now = time;
                self.disturb(worker, spawns);
                continue;
            }
            let Some(Reverse((time, _, worker))) = self.events.pop() else {
                return self.outcome;
            };
            self.now = time;
            if let Some(took) = self.step(worker) {
                self.at(time + took, worker);
            }
        }
    }
}

/// One fiber spawns a hundred for each worker.
fn burst(workers: usize) -> VecDeque<(u64, usize, u64)> {
    [(0, 0, 100 * workers as u64)].into()
}

/// Every worker of the first node gets work all the time, six tenths of what it can do: three spawns at once.
fn steady(near: usize, spawns: u64) -> VecDeque<(u64, usize, u64)> {
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut times: Vec<(u64, usize, u64)> = (0..spawns / 3)
        .map(|count| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let worker = (random >> 33) as usize % near;
            (count * 3 * RUN * 10 / 6 / near as u64, worker, 3)
        })
        .collect();
    times.sort_unstable();
    times.into()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let spawns = if arguments.iter().any(|argument| argument == "--test") { 300 } else { 30_000 };
    let svg = arguments.iter().position(|argument| argument == "--svg").and_then(|place| arguments.get(place + 1));
    println!("## Stealing, simulated: fibers of {} us, {} us to wake a worker\n", RUN / 1000, WAKE / 1000);
    println!(
        "| workers | nodes | victims | burst: all busy after | of the best time | remote steals per spawn | wakes per spawn | steady: \
         remote steals per spawn | wakes per spawn |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|---:|---:|");
    let (mut steady_lines, mut burst_lines) = ([Line::new(), Line::new()], [Line::new(), Line::new()]);
    for (sockets, nodes, cores) in MACHINES {
        let workers = sockets * nodes * cores;
        let known = Topology::below(machine(sockets, nodes, cores).root());
        let unknown =
            Topology::below(Machine::new(&format!("file sys/devices/system/cpu/online 0-{}", workers - 1)).root());
        for (subject, (name, topology)) in [("in rings", &known), ("at random", &unknown)].into_iter().enumerate() {
            let node = |worker: usize| worker / cores;
            let play = |outside| Simulation::new(topology, workers, &node).play(outside);
            let (burst, steady) = (play(burst(workers)), play(steady(cores, spawns)));
            let per_spawn = |count: u64, outcome: &Outcome| count as f64 / outcome.spawned as f64;
            let best = burst.spawned * RUN / workers as u64;
            println!(
                "| {workers} | {} | {name} | {:.0} us | {:.2} | {:.3} | {:.3} | {:.3} | {:.3} |",
                sockets * nodes,
                burst.balanced.map_or(f64::NAN, |time| time as f64 / 1000.0),
                burst.end as f64 / best as f64,
                per_spawn(burst.remote, &burst),
                per_spawn(burst.wakes, &burst),
                per_spawn(steady.remote, &steady),
                per_spawn(steady.wakes, &steady),
            );
            steady_lines[subject].push((workers, per_spawn(steady.remote, &steady)));
            burst_lines[subject].push((workers, burst.balanced.map_or(f64::NAN, |time| time as f64 / 1000.0)));
        }
    }
    if let Some(path) = svg {
        std::fs::write(path, plot(&steady_lines, &burst_lines)).unwrap();
    }
}

/// A line of a plot: by workers.
type Line = Vec<(usize, f64)>;

/// Both plots beside each other.
fn plot(steady: &[Line; 2], burst: &[Line; 2]) -> String {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 290\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"800\" height=\"290\" fill=\"white\"/>\n",
    );
    panel(&mut svg, 0.0, "steady load on one node: remote steals per spawn", steady);
    panel(&mut svg, 400.0, "burst: microseconds until all are busy", burst);
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, left: f64, title: &str, lines: &[Line; 2]) {
    let top = lines.iter().flatten().map(|&(_, value)| value).fold(0.0, f64::max);
    let x = |workers: usize| left + 50.0 + ((workers as f64).log2() - 1.0) * 45.0;
    let y = |value: f64| 230.0 - value / top * 180.0;
    writeln!(svg, "<text x=\"{}\" y=\"24\">{title}</text>", left + 20.0).unwrap();
    for quarter in 0..=4 {
        let value = top * f64::from(quarter) / 4.0;
        let text = if top < 1.0 { format!("{value:.3}") } else { format!("{value:.0}") };
        writeln!(svg, "<path d=\"M{} {}h270\" stroke=\"#ddd\"/>", left + 50.0, y(value)).unwrap();
        writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{text}</text>", left + 44.0, y(value) + 4.0)
            .unwrap();
    }
    for &(workers, _) in &lines[0] {
        writeln!(svg, "<text x=\"{}\" y=\"250\" text-anchor=\"middle\">{workers}</text>", x(workers)).unwrap();
    }
    writeln!(svg, "<text x=\"{}\" y=\"272\" text-anchor=\"middle\">workers</text>", left + 185.0).unwrap();
    for (line, (colour, name, indent)) in lines.iter().zip([("#06c", "in rings", 70.0), ("#c60", "at random", 140.0)]) {
        let points: Vec<String> =
            line.iter().map(|&(workers, value)| format!("{},{:.1}", x(workers), y(value))).collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        )
        .unwrap();
        writeln!(svg, "<text x=\"{}\" y=\"42\" fill=\"{colour}\">{name}</text>", left + indent).unwrap();
    }
}
