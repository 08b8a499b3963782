package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlanPrintsAsItParses(t *testing.T) {
	p, err := ParsePlan(`
# two halves, a wrong clock
at 2s   partition n1,n2 | n3     # the small half is on the left
at 3s   skew n2 +1500ms

at 8s   heal
at 4s   crash n1
   at 6s restart n1
`)
	require.NoError(t, err)
	want := "at 2s partition n1,n2 | n3\nat 3s skew n2 +1500ms\nat 4s crash n1\nat 6s restart n1\nat 8s heal\n"
	require.Equal(t, want, p.String())
	again, err := ParsePlan(want)
	require.NoError(t, err)
	require.Equal(t, p, again)
	require.Equal(t, []Kind{Partition, Heal, Skew, Crash, Restart}, p.Kinds())
}

func TestPlanKeepsTheOrderOfOneMoment(t *testing.T) {
	p, err := ParsePlan("at 2s crash n1\nat 1s crash n2\nat 2s wipe n1\nat 2s restart n1")
	require.NoError(t, err)
	require.Equal(t, "at 1s crash n2\nat 2s crash n1\nat 2s wipe n1\nat 2s restart n1\n", p.String())
}

func TestParsePlanNamesTheLine(t *testing.T) {
	for text, reason := range map[string]string{
		"at 1s heal\n\n# comment\nat 2s explode n1": "line 4: unknown fault",
		"crash n1":         "line 1: \"crash n1\": a line of a plan reads like",
		"at 1s":            "line 1: \"at 1s\": a line of a plan reads like",
		"at soon heal":     "line 1: \"soon\" is no duration",
		"at -1s heal":      "line 1: at -1s: before the beginning",
		"at 1s heal\r\nxx": "line 2",
	} {
		_, err := ParsePlan(text)
		require.ErrorContains(t, err, reason)
	}
}

func TestValidate(t *testing.T) {
	for text, reason := range map[string]string{
		"at 1s crash n1\nat 2s wipe n1\nat 3s restart n1":                                             "",
		"at 1s pause n1\nat 2s crash n1\nat 3s restart n1\nat 3s pause n1\nat 4s resume n1":           "",
		"at 1s crash n1\nat 1s freeze-clock n2\nat 2s recover\nat 2s crash n1\nat 3s freeze-clock n2": "",
		"at 1s freeze-clock n1,n2\nat 2s heal-clocks n1\nat 3s freeze-clock n1\nat 4s thaw-clock n2":  "",
		"at 1s freeze-clock n1\nat 2s heal-clocks\nat 3s freeze-clock n1":                             "",
		"at 1s crash n4":                    "`at 1s crash n4`: there is no n4: the cluster has 3 nodes",
		"at 1s cut n1 -> n5":                "there is no n5",
		"at 1s partition n1 | n2,n6":        "there is no n6",
		"at 1s restart n1":                  "n1 is up then: crash it before",
		"at 1s crash n1\nat 2s crash n2,n1": "n1 is down already then: restart it before",
		"at 1s wipe n2":                     "n2 is up then",
		"at 1s pause n1\nat 1s pause n1":    "n1 is down or paused already",
		"at 1s crash n1\nat 1s pause n1":    "n1 is down or paused already",
		"at 1s pause n1\nat 2s crash n1\nat 3s restart n1\nat 3s resume n1": "n1 is not paused",
		"at 1s resume n1": "n1 is not paused",
		"at 1s freeze-clock n1\nat 1s freeze-clock n1": "n1 is frozen already",
		"at 1s thaw-clock n1":                          "n1 is not frozen",
	} {
		p, err := ParsePlan(text)
		require.NoError(t, err, text)
		if err = Validate(p, 3); reason == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, reason, text)
		}
	}
}

func TestValidateWatchesPlansMadeInCode(t *testing.T) {
	heal := Fault{Kind: Heal}
	require.ErrorContains(t, Validate(Plan{[]Event{{time.Second, heal}, {0, heal}}}, 3), "before the event above it")
	require.ErrorContains(t, Validate(Plan{[]Event{{-1, heal}}}, 3), "before 0s")
	require.ErrorContains(t, Validate(Plan{[]Event{{0, Fault{Kind: Crash}}}}, 3), "nodes are missing")
	require.ErrorContains(t, Validate(Plan{}, 0), "plans are for 1 to 9")
	require.NoError(t, Validate(Plan{}, 9))
}

// crashOnly is a target that can do nothing but crash and restart.
type crashOnly struct{}

func (crashOnly) Nodes() int           { return 3 }
func (crashOnly) Supports(k Kind) bool { return k == Crash || k == Restart }
func (crashOnly) Apply(Fault) error    { return nil }

func TestCheckSupportedRefusesByName(t *testing.T) {
	p, err := ParsePlan("at 1s crash n1\nat 2s restart n1\nat 3s freeze-clock n1")
	require.NoError(t, err)
	require.ErrorContains(t, CheckSupported(p, crashOnly{}), "`at 3s freeze-clock n1`: this target has no freeze-clock")
	p.Events = p.Events[:2]
	require.NoError(t, CheckSupported(p, crashOnly{}))
}
