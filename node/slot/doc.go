// Package slot is what a member stores under one path, and the pure functions over it: versions, the candidates and
// sticky votes of a conflict, the half that linearizable operations use (Consensus), the merge of two slots, who
// decides a conflict (Electorate), and the one encoding in which a slot is stored and sent.
//
// It knows no node, no clock and no message. Begin with Slot, then Merge and Electorate.Visible.
package slot
