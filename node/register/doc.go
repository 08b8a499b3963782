// Package register is the machine of linearizable operations: every path is a register of its own, agreed on by the
// voters of the configuration in force. It proposes (proposer.go), asks the voters (exchange.go), votes itself
// (acceptor.go), and ends operations (outcome.go).
//
// What a majority's answers amount to and what is to be done about an attempt are pure functions: Join, Applied and
// Attempt.Decide. The machine does not know how the voters change (node/configuration does), nor how records reach
// members in the background. Begin with proposer.go, then round.go.
//
// Operations that wait for their turn on a path go together in the next round (batch.go): each is evaluated on what the
// one before it leaves behind, with a version and an answer of its own, and ACCEPT carries the last record with the
// idempotency keys of all. A batch is chosen as a whole or not at all. When the round fails each of them finds out what
// became of it, by the version that carried it (Attempt.Carrier).
package register
