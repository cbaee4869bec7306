//! Benchmarks: `cargo xtask bench [--json FILE]` prints what was measured in one run. Never a timed test.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod engine;
mod noop;
mod server;
mod shape;
mod stamp;

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
    engine_alone()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(through_the_store())
}

async fn through_the_store() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    println!(
        "\nthrough the store, noop: fsync of this disk {:.3} ms",
        server::fsync(dir.path())?
    );
    println!(
        "{:<16} {:>10} {:>10} {:>14} {:>12} {:>8} {:>8}",
        "shape", "wall ms", "tasks/s", "gap median ms", "gap p99 ms", "syncs", "cpu s"
    );
    let stamped = stamp::Stamped::new(std::sync::Arc::new(noop::Noop::default()));
    let host = server::host(dir.path(), &stamped)?;
    for shape in SHAPES.into_iter().take(5) {
        for _ in 0..3 {
            let row = server::measure(
                &host,
                &stamped,
                shape,
                &porpoise_model::workflow::Kind::Noop,
            )
            .await?;
            println!(
                "{:<16} {:>10.1} {:>10.0} {:>14.3} {:>12.3} {:>8} {:>8.3}",
                row.shape,
                row.wall_ms,
                row.tasks_per_second,
                row.gap_median_ms,
                row.gap_p99_ms,
                row.syncs,
                row.cpu_seconds
            );
        }
    }
    host.stop().await;
    Ok(())
}

fn engine_alone() -> anyhow::Result<()> {
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
