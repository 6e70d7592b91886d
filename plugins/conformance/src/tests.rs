use super::*;

#[test]
fn every_script_can_be_written_down() {
    for abi in AbiVersion::ALL {
        let kit = Kit::new(abi);
        let functions = Functions::of(abi);
        use case::Which::{Armed, Beside, Root, Stream};
        let of_case = |case| [Stream, Root, Armed, Beside].map(|which| (case, which));
        for (case, which) in kit.cases.iter().flat_map(of_case) {
            let script = Script { tag: 1, steps: case.steps(which).to_vec() };
            script.encode(&functions).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
        let script = Script { tag: 1, steps: run::start_steps(&kit.cases) };
        script.encode(&functions).unwrap();
        wasmparser::validate(&kit.probe()).unwrap();
    }
}
