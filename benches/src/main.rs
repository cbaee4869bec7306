//! Benchmarks: `cargo xtask bench [--json FILE]` prints what was measured in one run. Never a timed test.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod engine;
mod shape;

use shape::Shape;

const SHAPES: [Shape; 6] = [
    Shape::Chain(100),
    Shape::Fan(300),
    Shape::Layers {
        layers: 10,
        width: 30,
    },
    Shape::Layers {
        layers: 10,
        width: 100,
    },
    Shape::Layers {
        layers: 10,
        width: 1_000,
    },
    Shape::Layers {
        layers: 10,
        width: 10_000,
    },
];

fn main() -> anyhow::Result<()> {
    println!("engine alone");
    println!(
        "{:<16} {:>12} {:>10} {:>16} {:>12} {:>12}",
        "shape", "compile ms", "run ms", "transitions/s", "state B/task", "log B/task"
    );
    for shape in SHAPES {
        let row = engine::measure(shape)?;
        println!(
            "{:<16} {:>12.2} {:>10.2} {:>16.0} {:>12.2} {:>12.1}",
            row.shape,
            row.compile_ms,
            row.run_ms,
            row.transitions_per_second,
            row.state_bytes_per_task,
            row.log_bytes_per_task
        );
    }
    Ok(())
}
