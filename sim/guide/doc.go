// Package guide searches for failures by what earlier runs came through, instead of by seeds alone.
//
// It keeps the drawn scenarios whose runs met situations that no run before had met (see sim.Coverage), and makes new ones of them: another
// seed for the same plan; faults moved, doubled, left out, brought closer together, drawn anew or taken from another scenario; the load,
// the network, the clocks or the disks of another. The ideas are those of AFL (Zalewski, "Technical whitepaper for afl-fuzz") and of
// rarity as energy (Böhme, Pham, Roychoudhury, "Coverage-based Greybox Fuzzing as Markov Chain", CCS 2016, section 3); what is mutated
// is a plan that stays a text which people can read.
//
// It is a function of its seed, and knows nothing of processes: kvsim guide lives the runs. Begin with Search, then mutate.go.
package guide
