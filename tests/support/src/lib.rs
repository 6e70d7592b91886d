//! Helpers of the tests: a proxy under test, scripted peers, clients.
