//! Every measurement of fiber, beside its peers, on this machine.
//!
//! ```sh
//! cargo run --release --manifest-path runtime/benches/suite/Cargo.toml -- run --out guide/src/performance
//! ```
//!
//! measures (some twenty minutes; the machine has nothing else to do meanwhile) and writes `table.md` and plots into the folder. Words
//! after the options select the rows whose titles contain one of them; `--rounds 1` is quick, and says so in the table.
//!
//! Each runtime runs in a process of its own, fiber as `fiber-bench`, its peers as this program (`peer tokio yield --tasks 1000`, with the
//! arguments of `fiber-bench`). The subjects of a row run in alternation; what is shown is the median of the rounds and the ratio
//! of the medians. Servers get one processor and their clients another.

#[path = "../../../../examples/src/bin/fiber-bench/command.rs"]
mod command;
#[path = "../../../../examples/src/bin/fiber-bench/protocol.rs"]
mod protocol;
#[allow(dead_code)] // Another program's, too.
#[path = "../../../../examples/src/bin/fiber-bench/report.rs"]
mod report;

mod load;
#[allow(dead_code)] // Other benchmarks have more use for it.
#[path = "../../common/machine.rs"]
mod machine;
mod paint;
mod peers;
mod process;
mod rows;
mod table;

use clap::{Parser, Subcommand};
use peers::Peer;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "fiber-suite")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Measures the rows and writes the table and the plots
    Run(Run),
    /// Measures one peer once, as `fiber-bench` does fiber
    Peer {
        peer: Peer,
        #[command(flatten)]
        arguments: command::Arguments,
    },
}

#[derive(Parser)]
struct Run {
    /// The folder for the table and the plots; without it the table is printed
    #[arg(long)]
    out: Option<PathBuf>,
    /// How often each subject of a row runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A hundredth of the work: whether all of it works
    #[arg(long)]
    short: bool,
    /// Rows whose titles contain one of these words; all without
    titles: Vec<String>,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().action {
        Action::Run(run) => run.measure(),
        Action::Peer { peer, arguments } => {
            let workers = arguments.workers().unwrap_or_else(|error| error.exit());
            peer.run(&arguments.bench, workers).map(|measured| println!("{}", measured.line(peer.name(), workers)))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // As fiber-bench does.
            ExitCode::from(if error.is::<peers::Refusal>() { 3 } else { 1 })
        }
    }
}

impl Run {
    fn measure(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        // Before there is a load of its own.
        let machine = machine::describe();
        let programs = process::Programs::build()?;
        let place = rows::Place::prepare(self.short)?;
        let mut results = Vec::new();
        for row in rows::all(&place) {
            if self.titles.is_empty() || self.titles.iter().any(|title| row.title.contains(title.as_str())) {
                let rounds = if self.short { 1 } else { self.rounds };
                let result = row.measure(&programs, rounds)?;
                print!("{}", table::section(&row, &result));
                results.push((row, result));
            }
        }
        let Some(out) = self.out else { return Ok(()) };
        std::fs::create_dir_all(&out)?;
        std::fs::write(out.join("table.md"), table::document(&results, self.rounds, &machine))?;
        paint::all(&results, &out)
    }
}
