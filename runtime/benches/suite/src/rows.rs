//! What is measured.

use crate::load::Load;
use crate::machine;
use crate::peers::Peer;
use crate::process::{Figures, Programs, Subject};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// What the rows need on the machine.
pub(crate) struct Place {
    short: bool,
    file: PathBuf,
}

impl Place {
    /// Writes the file for the reads, once, and lets as many descriptors be opened as may be.
    pub(crate) fn prepare(short: bool) -> Result<Place, Box<dyn Error + Send + Sync>> {
        raise_descriptors()?;
        let blocks: u64 = if short { 4096 } else { 256 * 1024 };
        let name = if short { "fiber-suite-short.dat" } else { "fiber-suite.dat" };
        let file = std::env::current_exe()?.with_file_name(name);
        if std::fs::metadata(&file).map_or(0, |file| file.len()) != blocks * 4096 {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&file)?);
            let mut block = [0; 4096];
            for number in 0..blocks {
                block[..8].copy_from_slice(&(number * 4096).to_le_bytes());
                out.write_all(&block)?;
            }
            out.into_inner()?.sync_all()?;
        }
        Ok(Place { short, file })
    }

    /// A hundredth of the work in a short run.
    fn work(&self, count: usize) -> usize {
        if self.short { (count / 100).max(10) } else { count }
    }

    fn seconds(&self) -> f64 {
        if self.short { 0.05 } else { 1.0 }
    }
}

fn raise_descriptors() -> std::io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written to, then read, during the calls.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// How a row is measured.
enum Work {
    /// By a program that ends.
    Bench(Vec<String>),
    /// By a load on a server.
    Server { http: bool, connections: usize, depth: usize, seconds: f64 },
}

/// A column of a row's table: what it is called and under which name it is among the figures.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) figure: &'static str,
    /// What one unit of the figure is in the column's.
    pub(crate) scale: f64,
}

/// A comparison.
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) workers: usize,
    work: Work,
    /// A file that is read before each run, so that the page cache has it.
    cached: Option<PathBuf>,
    /// The first decides.
    pub(crate) columns: Vec<Column>,
    pub(crate) more_is_better: bool,
    pub(crate) subjects: Vec<Subject>,
    /// For plots over a quantity: which plot, and the quantity.
    pub(crate) point: Option<(&'static str, f64)>,
}

/// What each subject of a row gave in its rounds, or why it gave nothing.
pub(crate) type Outcomes = Vec<(Subject, Result<Vec<Figures>, String>)>;

const TASKS: [Peer; 6] = [Peer::Tokio, Peer::May, Peer::Monoio, Peer::Glommio, Peer::Compio, Peer::Smol];
const SEVERAL: [Peer; 3] = [Peer::Tokio, Peer::May, Peer::Smol];

fn subjects(peers: &[Peer]) -> Vec<Subject> {
    std::iter::once(Subject::Fiber).chain(peers.iter().copied().map(Subject::Peer)).collect()
}

fn column(title: &'static str, figure: &'static str, scale: f64) -> Column {
    Column { title, figure, scale }
}

impl Row {
    fn bench(title: String, workers: usize, arguments: &[&dyn ToString], columns: Vec<Column>) -> Row {
        let work = Work::Bench(arguments.iter().map(|argument| argument.to_string()).collect());
        let subjects = subjects(if workers == 1 { &TASKS } else { &SEVERAL });
        Row { title, workers, work, cached: None, columns, more_is_better: false, subjects, point: None }
    }

    fn server(title: String, place: &Place, http: bool, connections: usize, depth: usize) -> Row {
        let columns = vec![
            column("server CPU, us a request", "cpu_us", 1.0),
            column("requests/s", "each_second", 1.0),
            column("p50, us", "p50_us", 1.0),
            column("p99, us", "p99_us", 1.0),
        ];
        let work = Work::Server { http, connections, depth, seconds: place.seconds() * 2.0 };
        let mut subjects = subjects(&TASKS);
        subjects.extend([Subject::Peer(Peer::Epoll), Subject::Peer(Peer::Uring)]);
        Row { title, workers: 1, work, cached: None, columns, more_is_better: false, subjects, point: None }
    }

    fn on_plot(mut self, plot: &'static str, at: usize) -> Row {
        self.point = Some((plot, at as f64));
        self
    }

    /// With other peers than the usual ones.
    fn beside(mut self, peers: &[Peer]) -> Row {
        self.subjects = subjects(peers);
        self
    }

    /// Runs the subjects in alternation. One that cannot, or fails, or is too slow, is not tried again.
    pub(crate) fn measure(&self, programs: &Programs, rounds: usize) -> Result<Outcomes, Box<dyn Error + Send + Sync>> {
        let mut outcomes: Outcomes = self.subjects.iter().map(|&subject| (subject, Ok(Vec::new()))).collect();
        for _ in 0..rounds {
            for (subject, outcome) in &mut outcomes {
                if let Ok(figures) = outcome {
                    match self.measure_once(programs, *subject) {
                        Ok(these) => figures.push(these),
                        Err(why) if *subject == Subject::Fiber => return Err(format!("{}: {why}", self.title).into()),
                        Err(why) => *outcome = Err(why),
                    }
                }
            }
        }
        Ok(outcomes)
    }

    fn measure_once(&self, programs: &Programs, subject: Subject) -> Result<Figures, String> {
        if let Some(file) = &self.cached {
            let read = File::open(file).and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink()));
            read.map_err(|error| error.to_string())?;
        }
        match &self.work {
            Work::Bench(arguments) => programs.run(subject, self.workers, arguments),
            &Work::Server { http, connections, depth, seconds } => {
                put_load(programs, subject, http, connections, depth, seconds).map_err(|error| error.to_string())
            }
        }
    }
}

fn put_load(
    programs: &Programs,
    subject: Subject,
    http: bool,
    connections: usize,
    depth: usize,
    seconds: f64,
) -> std::io::Result<Figures> {
    // A port of its own for each server: what a killed one leaves behind is in nobody's way.
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let server = programs.serve(subject, http, PORT.fetch_add(1, Ordering::Relaxed))?;
    let request: Vec<u8> = match http {
        true => {
            b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nConnection: keep-alive\r\n\r\n".into()
        }
        false => vec![b'x'; 64],
    };
    let answer = if http { crate::protocol::HELLO.len() } else { request.len() };
    let load = Load { connections, depth, request, answer, time: Duration::from_secs_f64(seconds) };
    let processors = machine::processors();
    machine::stay_on(&processors[..1]);
    let mut before = 0.0;
    let answers = load.put_on(server.port, || before = server.processor_seconds());
    let busy = server.processor_seconds() - before;
    machine::stay_on(&processors);
    let answers = answers?;
    let microseconds = |quantile| answers.latencies.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Figures::from([
        ("cpu_us".to_owned(), busy * 1e6 / answers.count as f64),
        ("each_second".to_owned(), answers.count as f64 / answers.seconds),
        ("p50_us".to_owned(), microseconds(0.5)),
        ("p99_us".to_owned(), microseconds(0.99)),
    ]))
}

/// All rows, in the order of the table.
pub(crate) fn all(place: &Place) -> Vec<Row> {
    let mut rows = Vec::new();
    let ns = || vec![column("ns", "ns", 1.0)];
    for tasks in [1, 10, 1000, 10_000, 100_000, 1_000_000] {
        let iters = (place.work(5_000_000) / tasks).max(5);
        let title = format!("yield, {} {}", grouped(tasks), if tasks == 1 { "task" } else { "tasks" });
        rows.push(
            Row::bench(title, 1, &[&"yield", &"--tasks", &tasks, &"--iters", &iters], ns()).on_plot("yield", tasks),
        );
    }
    let spawns = place.work(1_000_000);
    let spawn: [&dyn ToString; 5] = [&"spawn", &"--n", &spawns, &"--batch", &1000];
    let rounds = place.work(500_000);
    let ping_pong: [&dyn ToString; 3] = [&"pingpong", &"--rounds", &rounds];
    let leaves = if place.short { 10_000 } else { 1_000_000 };
    let skynet: [&dyn ToString; 3] = [&"skynet", &"--leaves", &leaves];
    let iters = place.work(50_000);
    let mutex: [&dyn ToString; 5] = [&"mutex", &"--tasks", &64, &"--iters", &iters];
    let fanout: [&dyn ToString; 5] = [&"fanout", &"--children", &1000, &"--repeat", &5];
    let busy = || vec![column("ms", "ms", 1.0), column("CPU, s", "cpu_s", 1.0)];
    for workers in [1, 2] {
        let on = if workers == 1 { "one worker" } else { "two workers" };
        let mut spawned = Row::bench(format!("spawn and join, in thousands, {on}"), workers, &spawn, ns());
        if workers == 1 {
            spawned.subjects.push(Subject::Peer(Peer::Threads));
        }
        rows.push(spawned);
        rows.push(Row::bench(format!("ping-pong over two channels, {on}"), workers, &ping_pong, ns()));
        let leaves = if place.short { "11,111" } else { "1,111,111" };
        rows.push(Row::bench(format!("skynet, {leaves} tasks, {on}"), workers, &skynet, busy()));
        let locks: &[Peer] = if workers == 1 { &[Peer::Tokio, Peer::May, Peer::Glommio, Peer::Smol] } else { &SEVERAL };
        rows.push(Row::bench(format!("mutex, 64 tasks, {on}"), workers, &mutex, ns()).beside(locks));
        rows.push(Row::bench(format!("fan-out: 1000 tasks that sleep and compute, {on}"), workers, &fanout, busy()));
    }
    let timers = place.work(100_000);
    let late =
        vec![column("p99 lateness, us", "us", 1.0), column("p50, us", "p50_us", 1.0), column("CPU, s", "cpu_s", 1.0)];
    rows.push(Row::bench(format!("{} timers in a second", grouped(timers)), 1, &[&"timers", &"--n", &timers], late));
    for parked in [place.work(100_000), place.work(1_000_000)] {
        let bytes = vec![column("bytes each", "bytes", 1.0)];
        let title = format!("{} parked tasks", grouped(parked));
        rows.push(Row::bench(title, 1, &[&"idle", &"--n", &parked], bytes));
    }
    let starts = [column("us", "us", 1.0), column("the first, us", "first_us", 1.0)];
    for workers in [1, 2] {
        let title =
            format!("start and end of a runtime, {workers} {}", if workers == 1 { "worker" } else { "workers" });
        rows.push(Row::bench(
            title,
            workers,
            &[&"start"],
            starts.iter().map(|c| column(c.title, c.figure, 1.0)).collect(),
        ));
    }
    for (connections, depth) in [(1, 1), (64, 1), (1000, 1), (10_000, 1), (64, 16)] {
        let connections = if place.short { connections.min(100) } else { connections };
        let mut title = format!(
            "TCP echo, 64 bytes, {} connection{}",
            grouped(connections),
            if connections == 1 { "" } else { "s" }
        );
        if depth > 1 {
            title += &format!(", {depth} requests in flight on each");
        }
        let row = Row::server(title, place, false, connections, depth);
        rows.push(if depth == 1 { row.on_plot("echo", connections) } else { row });
    }
    for depth in [1, 16] {
        let flight = if depth == 1 { String::new() } else { format!(", {depth} in flight on each") };
        rows.push(Row::server(format!("HTTP/1.1 plaintext, 64 connections{flight}"), place, true, 64, depth));
    }
    let path = place.file.display().to_string();
    let seconds = place.seconds();
    for (direct, depth) in [(false, 1), (false, 64), (true, 1), (true, 32)] {
        let cache = if direct { "past the page cache" } else { "in the page cache" };
        let columns =
            vec![column("reads/s", "IOPS", 1.0), column("p50, us", "p50_us", 1.0), column("p99, us", "p99_us", 1.0)];
        let mut arguments: Vec<&dyn ToString> = vec![&"fsread", &path, &seconds, &depth];
        if direct {
            arguments.push(&"--direct");
        }
        let peers = [Peer::Tokio, Peer::Monoio, Peer::Glommio, Peer::Compio, Peer::Threads, Peer::Uring];
        let mut row = Row::bench(format!("random reads of 4 KiB {cache}, {depth} at a time"), 1, &arguments, columns)
            .beside(&peers);
        row.more_is_better = true;
        row.cached = (!direct).then(|| place.file.clone());
        rows.push(row);
    }
    rows
}

/// With a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
