package check

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// TestKubernetes reads the manifests with the types of Kubernetes, unknown fields refused, and looks at how they fit
// together. cmd/kvs starts real nodes with the environment of the stateful set.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile("../kubernetes/kvs.yaml")
	require.NoError(t, err)
	var set apps.StatefulSet
	var budget policy.PodDisruptionBudget
	services := map[string]core.Service{}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var kind struct{ Kind string }
		require.NoError(t, yaml.Unmarshal(part, &kind))
		switch kind.Kind {
		case "StatefulSet":
			require.NoError(t, yaml.UnmarshalStrict(part, &set))
		case "PodDisruptionBudget":
			require.NoError(t, yaml.UnmarshalStrict(part, &budget))
		case "Service":
			var s core.Service
			require.NoError(t, yaml.UnmarshalStrict(part, &s))
			services[s.Name] = s
		default:
			t.Fatalf("a document of kind %q", kind.Kind)
		}
	}
	pod := set.Spec.Template
	for _, selector := range []map[string]string{set.Spec.Selector.MatchLabels, budget.Spec.Selector.MatchLabels,
		services["kvs"].Spec.Selector, services["kvs-client"].Spec.Selector} {
		require.Equal(t, pod.Labels, selector)
	}
	require.Equal(t, core.ClusterIPNone, services[set.Spec.ServiceName].Spec.ClusterIP)
	require.True(t, services[set.Spec.ServiceName].Spec.PublishNotReadyAddresses)
	require.Equal(t, apps.ParallelPodManagement, set.Spec.PodManagementPolicy)
	require.Equal(t, 1, budget.Spec.MaxUnavailable.IntValue(), "a majority of %d stays", *set.Spec.Replicas)
	require.False(t, *pod.Spec.EnableServiceLinks)

	c := pod.Spec.Containers[0]
	ports := map[string]core.ContainerPort{}
	for _, p := range c.Ports {
		ports[p.Name] = p
	}
	require.Equal(t, core.ProtocolUDP, ports["gossip"].Protocol)
	for name, probe := range map[string]*core.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		require.Equal(t, name, probe.HTTPGet.Path)
		require.Equal(t, intstr.FromString("admin"), probe.HTTPGet.Port)
	}
	require.Equal(t, "/livez", c.StartupProbe.HTTPGet.Path)
	for _, s := range services {
		for _, p := range s.Spec.Ports {
			require.Equal(t, p.Protocol, ports[p.TargetPort.StrVal].Protocol)
		}
	}
	mounted := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounted[m.Name] = m.MountPath
	}
	require.Equal(t, set.Spec.VolumeClaimTemplates[0].Name, "data")
	require.Equal(t, c.WorkingDir, mounted["data"], "the configuration is written into the volume")
	env := map[string]string{}
	for _, e := range c.Env {
		require.Empty(t, env[e.Name])
		env[e.Name] = e.Value
	}
	require.Len(t, strings.Split(env["KVS_SEEDS"], ","), int(*set.Spec.Replicas))
	require.True(t, strings.HasPrefix(env["KVS_DATA_DIR"], mounted["data"]+"/"))
	for _, file := range []string{"KVS_TLS_CA", "KVS_TLS_CERT", "KVS_TLS_KEY", "KVS_GOSSIP_KEYRING"} {
		require.True(t, strings.HasPrefix(env[file], mounted["certs"]+"/"), file)
	}
}
