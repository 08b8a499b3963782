// Package slot is the data that a member stores under one path, and pure functions over it: versions, the candidates
// and sticky votes of a conflict, the half that linearizable operations use (Consensus), the merge of two slots, the
// electorate that decides a conflict, and the one encoding in which a slot is stored and sent.
//
// It needs no node, no clock and no message. Begin with Slot, then Merge and Electorate.Visible.
package slot
