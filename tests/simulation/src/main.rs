fn main() {
    let mut args = std::env::args().skip(1);
    let from: u64 = args.next().unwrap().parse().unwrap();
    let n: u64 = args.next().unwrap().parse().unwrap();
    let story = args.next().is_some();
    let mut m = porpoise_simulation::Matrix::default();
    let (mut steps, mut bad) = (0, 0);
    for seed in from..from + n {
        let o = porpoise_simulation::simulate(seed, porpoise_simulation::Profile::SMALL, story);
        steps += o.steps;
        m.add(&o.matrix);
        if let Some(v) = &o.violation {
            bad += 1;
            for l in &o.story { println!("{l}"); }
            println!("seed {seed} steps {} {v:?}", o.steps);
        }
        if n == 1 { println!("{:?}", (o.steps, o.records, o.facts, o.runs, o.jobs, o.largest, o.time / 1_000_000, o.hash)); }
    }
    println!("{m}\nsteps {steps} bad {bad}");
}
