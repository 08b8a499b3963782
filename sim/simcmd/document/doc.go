// Package document is what the tools print with --output json: one document for each command. The fields are stable:
// later versions only add some. Times are seconds.
//
// Begin with Print; Meaning has the sentences about broken promises, which the report page shows as well.
package document
