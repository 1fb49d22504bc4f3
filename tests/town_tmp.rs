use peer_relay::sim::*;
#[test]
fn towns() {
    let a: Vec<String> = std::iter::once(String::new())
        .chain(std::env::var("T").unwrap_or("0 20".into()).split(' ').map(String::from))
        .collect();
    let (from, to): (u64, u64) = (a[1].parse().unwrap(), a[2].parse().unwrap());
    let t = std::time::Instant::now();
    let (mut bad, mut hap, mut lies, mut ppl) = (
        0,
        std::collections::BTreeMap::new(),
        std::collections::BTreeMap::new(),
        std::collections::BTreeMap::new(),
    );
    for seed in from..to {
        let mut town =
            Town::new(TownSetup::draw(seed), if a.len() > 3 { Trace::in_lines() } else { Trace::new() });
        if a.len() > 3 {
            while !town.go_on(1000) {
                print!("{}", town.take_lines());
            }
            print!("{}", town.take_lines());
        }
        let o = town.run();
        if let Some((at, b)) = &o.broken {
            bad += 1;
            println!("seed {seed} at {:?}: {b}", at.as_micros() as f64 / 1e6);
        }
        for (k, v) in o.happened {
            *hap.entry(k.name()).or_insert(0) += v;
        }
        for (k, v) in o.lies {
            *lies.entry(k.name()).or_insert(0) += v;
        }
        for (k, v) in o.people {
            let e = ppl.entry(k.name()).or_insert((0, 0));
            e.0 += v.0;
            e.1 += v.1;
        }
    }
    println!(
        "bad {bad} of {}: {:?} each\n{hap:?}\n{lies:?}\n{ppl:?}",
        to - from,
        t.elapsed() / (to - from) as u32
    );
}
