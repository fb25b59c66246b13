//! Nothing: the programs are this package's tests.
