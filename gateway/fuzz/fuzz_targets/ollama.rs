#![no_main]

use gateway::providers::Wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway_fuzz::answer(Wire::Ollama, input));
