//! Five stages that answer questions: planner, searcher, retriever, coder, executor.
//!
//! ```sh
//! cargo run --release --bin pipeline
//! ```
//!
//! Each stage is a task, channels connect them, and every request that is in a stage has a fiber of its own there, so
//! thousands are in flight and each of them reads like a blocking program. The models and tools that a real pipeline
//! would call are stood in for by waiting as long as they would take; the answers are real and are checked.

use clap::Parser;
use fiber::sync::Mutex;
use fiber::sync::mpsc::{Receiver, Sender, channel};
use fiber::time::{Instant, sleep};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Sends requests through a pipeline of stages and measures it.
#[derive(Parser)]
struct Arguments {
    /// Requests to answer
    #[arg(long, default_value_t = 20_000)]
    requests: u64,

    /// Requests under way at once
    #[arg(long, default_value_t = 4_000)]
    in_flight: u64,
}

/// A request on its way: what the last stage made of it, and when it was where.
struct Request<T> {
    number: u64,
    asked: Instant,
    /// When it was put into the channel it is in.
    sent: Instant,
    content: T,
}

impl<T> Request<T> {
    /// The same request with what a stage made of it, ready for the next stage.
    fn with<U>(&self, content: U) -> Request<U> {
        Request { number: self.number, asked: self.asked, sent: Instant::now(), content }
    }
}

/// "What is the area of field 12?"
struct Question {
    text: String,
}

/// The facts that are needed, by name.
struct Plan {
    facts: Vec<String>,
}

/// The documents in which the facts stand.
struct Hits {
    documents: Vec<usize>,
}

/// The texts of those documents.
struct Context {
    texts: Vec<String>,
}

/// A program for a stack machine that works out the answer.
struct Program {
    instructions: Vec<Instruction>,
}

enum Instruction {
    Push(u64),
    Multiply,
}

/// A small library: document texts, and where each fact stands.
struct Library {
    texts: Vec<String>,
    index: HashMap<String, usize>,
}

impl Library {
    /// Describes the width and the height of `fields` fields.
    fn new(fields: u64) -> Library {
        let mut library = Library { texts: Vec::new(), index: HashMap::new() };
        for field in 0..fields {
            for (side, length) in [("width", width(field)), ("height", height(field))] {
                library.index.insert(format!("{side} of field {field}"), library.texts.len());
                library.texts.push(format!("The {side} of field {field} is {length} metres"));
            }
        }
        library
    }
}

fn width(field: u64) -> u64 {
    field % 97 + 3
}

fn height(field: u64) -> u64 {
    field % 89 + 5
}

/// How many requests a stage served, and how long each was there: waiting its turn and being worked on.
#[derive(Clone)]
struct Tally(Arc<Mutex<Histogram<u64>>>);

impl Tally {
    fn new() -> Tally {
        // From a microsecond to a minute, to three digits.
        let times = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order");
        Tally(Arc::new(Mutex::new(times)))
    }

    fn count(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.lock().expect("no holder panics").saturating_record(microseconds);
    }

    fn print(&self, stage: &str) {
        let times = self.0.lock().expect("no holder panics");
        let milliseconds = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "{stage:<10} {:>9} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            times.len(),
            milliseconds(0.5),
            milliseconds(0.9),
            milliseconds(0.99),
            milliseconds(1.0),
        );
    }
}

/// What all stages do: for each request that comes in, a fiber that works on it and sends the outcome on. The stage ends
/// when the stage before it has ended, the next one when the last fiber here has dropped its sender.
fn each<In, Out>(
    inbox: Receiver<Request<In>>,
    outbox: Sender<Request<Out>>,
    work: impl Fn(&In, u64) -> Out + Clone + Send + 'static,
) -> Tally
where
    In: Send + 'static,
    Out: Send + 'static,
{
    let tally = Tally::new();
    for request in inbox {
        let (outbox, work, tally) = (outbox.clone(), work.clone(), tally.clone());
        fiber::spawn(move || {
            let outcome = work(&request.content, request.number);
            tally.count(request.sent.elapsed());
            // Nobody listens any more only if main gave up; there is nothing left to do then.
            let _ = outbox.send(request.with(outcome));
        });
    }
    tally
}

/// Waits as long as a call to a model or a tool would take: about `milliseconds`, different from request to request.
fn call(milliseconds: u64, number: u64) {
    let scatter = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54; // 0 to 1023
    sleep(Duration::from_micros(milliseconds * (512 + scatter)));
}

/// Reads the question and says which facts are needed.
#[fiber::task]
fn planner(inbox: Receiver<Request<Question>>, outbox: Sender<Request<Plan>>) -> Tally {
    each(inbox, outbox, |question: &Question, number| {
        call(20, number);
        let field = question.text.trim_start_matches("What is the area of ").trim_end_matches('?');
        Plan { facts: vec![format!("width of {field}"), format!("height of {field}")] }
    })
}

/// Finds the documents in which the facts stand.
#[fiber::task]
fn searcher(inbox: Receiver<Request<Plan>>, outbox: Sender<Request<Hits>>, library: Arc<Library>) -> Tally {
    each(inbox, outbox, move |plan: &Plan, number| {
        call(5, number);
        Hits { documents: plan.facts.iter().map(|fact| library.index[fact]).collect() }
    })
}

/// Fetches the documents, all of one request at the same time.
#[fiber::task]
fn retriever(inbox: Receiver<Request<Hits>>, outbox: Sender<Request<Context>>, library: Arc<Library>) -> Tally {
    each(inbox, outbox, move |hits: &Hits, number| {
        let library = &library;
        let texts = fiber::scope(|scope| {
            let fetches: Vec<_> = hits
                .documents
                .iter()
                .map(|&document| {
                    scope.spawn(move || {
                        call(10, number ^ document as u64);
                        library.texts[document].clone()
                    })
                })
                .collect();
            fetches.into_iter().map(|fetch| fetch.join().expect("fetching does not panic")).collect()
        });
        Context { texts }
    })
}

/// Writes a program that works out the answer from the texts.
#[fiber::task]
fn coder(inbox: Receiver<Request<Context>>, outbox: Sender<Request<Program>>) -> Tally {
    each(inbox, outbox, |context: &Context, number| {
        call(30, number);
        let numbers =
            context.texts.iter().filter_map(|text| text.split(" is ").nth(1)?.split(' ').next()?.parse().ok());
        let mut instructions: Vec<_> = numbers.map(Instruction::Push).collect();
        instructions.push(Instruction::Multiply);
        Program { instructions }
    })
}

/// Runs the program. The answer is nothing if the program is no good.
#[fiber::task]
fn executor(inbox: Receiver<Request<Program>>, outbox: Sender<Request<Option<u64>>>) -> Tally {
    each(inbox, outbox, |program: &Program, number| {
        call(5, number);
        let mut stack = Vec::new();
        for instruction in &program.instructions {
            match *instruction {
                Instruction::Push(value) => stack.push(value),
                Instruction::Multiply => {
                    let (a, b) = (stack.pop()?, stack.pop()?);
                    stack.push(a * b);
                }
            }
        }
        stack.pop()
    })
}

#[fiber::main]
fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { requests, in_flight } = Arguments::parse();
    let fields = 1_000;
    let library = Arc::new(Library::new(fields));

    let (questions, to_planner) = channel();
    let (plans, to_searcher) = channel();
    let (hits, to_retriever) = channel();
    let (contexts, to_coder) = channel();
    let (programs, to_executor) = channel();
    let (results, answers) = channel();
    let stages = [
        ("planner", planner::spawn(to_planner, plans)),
        ("searcher", searcher::spawn(to_searcher, hits, Arc::clone(&library))),
        ("retriever", retriever::spawn(to_retriever, contexts, library)),
        ("coder", coder::spawn(to_coder, programs)),
        ("executor", executor::spawn(to_executor, results)),
    ];

    println!("{requests} requests, up to {in_flight} in flight");
    let start = Instant::now();
    let total = Tally::new();
    let (mut asked, mut answered) = (0, 0);
    while answered < requests {
        while asked < requests && asked - answered < in_flight {
            let text = format!("What is the area of field {}?", asked % fields);
            let now = Instant::now();
            questions.send(Request { number: asked, asked: now, sent: now, content: Question { text } })?;
            asked += 1;
        }
        let answer = answers.recv()?;
        let field = answer.number % fields;
        if answer.content != Some(width(field) * height(field)) {
            return Err(format!("field {field}: the answer {:?} is wrong", answer.content).into());
        }
        total.count(answer.asked.elapsed());
        answered += 1;
        if answered % requests.div_ceil(5) == 0 {
            println!("{answered} answered after {:.2?}", start.elapsed());
        }
    }
    let took = start.elapsed();

    // With no more questions the planner ends, then, one after the other, the rest.
    drop(questions);
    println!("\n{:<10} {:>9} {:>9} {:>9} {:>9} {:>9}", "stage", "requests", "p50 ms", "p90 ms", "p99 ms", "max ms");
    for (name, stage) in stages {
        stage.join()?.print(name);
    }
    total.print("all");
    println!("\nall {answered} answers right, in {took:.2?}, {:.0} a second", answered as f64 / took.as_secs_f64());
    Ok(())
}
