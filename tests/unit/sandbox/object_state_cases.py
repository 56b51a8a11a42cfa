# Objects and the series that they have, as kube-state-metrics documents them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501 - a series is one line

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    says: str
    given: str
    series: str


CASES = (
    Case(
        "a pod that runs, with two containers, one of which was killed before",
        """
kind: Pod
metadata:
  namespace: shop
  name: web-1
  uid: u1
  ownerReferences: [{kind: Node, name: other}, {kind: ReplicaSet, name: web, controller: true}]
spec:
  nodeName: n1
  priorityClassName: high
  containers:
    - {name: app, resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi, example.org/card: "1"}}}
    - {name: side}
status:
  phase: Running
  hostIP: 10.0.0.1
  podIP: 10.1.0.1
  containerStatuses:
    - {name: app, restartCount: 3, lastState: {terminated: {reason: OOMKilled}}}
    - {name: side, restartCount: 0, lastState: {}}
""",
        """
kube_pod_info{namespace="shop",pod="web-1",uid="u1",host_ip="10.0.0.1",pod_ip="10.1.0.1",node="n1",created_by_kind="ReplicaSet",created_by_name="web",priority_class="high",host_network="false"} 1
kube_pod_status_phase{namespace="shop",pod="web-1",uid="u1",phase="Pending"} 0
kube_pod_status_phase{namespace="shop",pod="web-1",uid="u1",phase="Succeeded"} 0
kube_pod_status_phase{namespace="shop",pod="web-1",uid="u1",phase="Failed"} 0
kube_pod_status_phase{namespace="shop",pod="web-1",uid="u1",phase="Unknown"} 0
kube_pod_status_phase{namespace="shop",pod="web-1",uid="u1",phase="Running"} 1
kube_pod_container_status_restarts_total{namespace="shop",pod="web-1",uid="u1",container="app"} 3
kube_pod_container_status_last_terminated_reason{namespace="shop",pod="web-1",uid="u1",container="app",reason="OOMKilled"} 1
kube_pod_container_status_restarts_total{namespace="shop",pod="web-1",uid="u1",container="side"} 0
kube_pod_container_resource_requests{namespace="shop",pod="web-1",uid="u1",container="app",node="n1",resource="cpu",unit="core"} 0.5
kube_pod_container_resource_requests{namespace="shop",pod="web-1",uid="u1",container="app",node="n1",resource="memory",unit="byte"} 1073741824
kube_pod_container_resource_limits{namespace="shop",pod="web-1",uid="u1",container="app",node="n1",resource="example_org_card",unit="integer"} 1
kube_pod_container_resource_limits{namespace="shop",pod="web-1",uid="u1",container="app",node="n1",resource="memory",unit="byte"} 2147483648
""",
    ),
    Case(
        "a pod that no node has yet, and that nothing has made",
        """
kind: Pod
metadata: {namespace: shop, name: solo, uid: u2}
spec: {hostNetwork: true, containers: [{name: app}]}
status: {phase: Pending}
""",
        """
kube_pod_info{namespace="shop",pod="solo",uid="u2",host_ip="",pod_ip="",node="",created_by_kind="",created_by_name="",priority_class="",host_network="true"} 1
kube_pod_status_phase{namespace="shop",pod="solo",uid="u2",phase="Pending"} 1
kube_pod_status_phase{namespace="shop",pod="solo",uid="u2",phase="Succeeded"} 0
kube_pod_status_phase{namespace="shop",pod="solo",uid="u2",phase="Failed"} 0
kube_pod_status_phase{namespace="shop",pod="solo",uid="u2",phase="Unknown"} 0
kube_pod_status_phase{namespace="shop",pod="solo",uid="u2",phase="Running"} 0
""",
    ),
    Case(
        "a pod whose node is lost",
        """
kind: Pod
metadata: {namespace: shop, name: gone, uid: u3, deletionTimestamp: "2026-01-01T00:00:00Z"}
spec: {nodeName: n1, containers: []}
status: {phase: Running, reason: NodeLost}
""",
        """
kube_pod_info{namespace="shop",pod="gone",uid="u3",host_ip="",pod_ip="",node="n1",created_by_kind="",created_by_name="",priority_class="",host_network="false"} 1
kube_pod_status_phase{namespace="shop",pod="gone",uid="u3",phase="Pending"} 0
kube_pod_status_phase{namespace="shop",pod="gone",uid="u3",phase="Succeeded"} 0
kube_pod_status_phase{namespace="shop",pod="gone",uid="u3",phase="Failed"} 0
kube_pod_status_phase{namespace="shop",pod="gone",uid="u3",phase="Unknown"} 1
kube_pod_status_phase{namespace="shop",pod="gone",uid="u3",phase="Running"} 0
""",
    ),
    Case(
        "a node that is ready and whose network is not known",
        """
kind: Node
metadata: {name: n1}
status: {conditions: [{type: Ready, status: "True"}, {type: NetworkUnavailable, status: Unknown}]}
""",
        """
kube_node_status_condition{node="n1",condition="Ready",status="true"} 1
kube_node_status_condition{node="n1",condition="Ready",status="false"} 0
kube_node_status_condition{node="n1",condition="Ready",status="unknown"} 0
kube_node_status_condition{node="n1",condition="NetworkUnavailable",status="true"} 0
kube_node_status_condition{node="n1",condition="NetworkUnavailable",status="false"} 0
kube_node_status_condition{node="n1",condition="NetworkUnavailable",status="unknown"} 1
""",
    ),
    Case(
        "a claim that is bound",
        """
kind: PersistentVolumeClaim
metadata: {namespace: shop, name: data}
spec: {storageClassName: fast, volumeName: pv1, volumeMode: Filesystem, resources: {requests: {storage: 10Gi}}}
status: {phase: Bound}
""",
        """
kube_persistentvolumeclaim_info{namespace="shop",persistentvolumeclaim="data",storageclass="fast",volumename="pv1",volumemode="Filesystem"} 1
kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",phase="Lost"} 0
kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",phase="Bound"} 1
kube_persistentvolumeclaim_status_phase{namespace="shop",persistentvolumeclaim="data",phase="Pending"} 0
kube_persistentvolumeclaim_resource_requests_storage_bytes{namespace="shop",persistentvolumeclaim="data"} 10737418240
""",
    ),
    Case(
        "a quota",
        """
kind: ResourceQuota
metadata: {namespace: shop, name: q}
status: {hard: {requests.cpu: "4", pods: "30"}, used: {requests.cpu: 1500m, pods: "3"}}
""",
        """
kube_resourcequota{namespace="shop",resourcequota="q",resource="pods",type="hard"} 30
kube_resourcequota{namespace="shop",resourcequota="q",resource="requests.cpu",type="hard"} 4
kube_resourcequota{namespace="shop",resourcequota="q",resource="pods",type="used"} 3
kube_resourcequota{namespace="shop",resourcequota="q",resource="requests.cpu",type="used"} 1.5
""",
    ),
    Case(
        "a deployment of which a part is there",
        """
kind: Deployment
metadata: {namespace: shop, name: web}
spec: {replicas: 3}
status: {replicas: 3, updatedReplicas: 2, readyReplicas: 1}
""",
        """
kube_deployment_spec_replicas{namespace="shop",deployment="web"} 3
kube_deployment_status_replicas_available{namespace="shop",deployment="web"} 0
kube_deployment_status_replicas_ready{namespace="shop",deployment="web"} 1
kube_deployment_status_replicas_updated{namespace="shop",deployment="web"} 2
""",
    ),
    Case(
        "a deployment that is scaled to nothing",
        "{kind: Deployment, metadata: {namespace: shop, name: web}, spec: {replicas: 0}}",
        """
kube_deployment_spec_replicas{namespace="shop",deployment="web"} 0
kube_deployment_status_replicas_available{namespace="shop",deployment="web"} 0
kube_deployment_status_replicas_ready{namespace="shop",deployment="web"} 0
kube_deployment_status_replicas_updated{namespace="shop",deployment="web"} 0
""",
    ),
    Case(
        "an autoscaler without a lower limit",
        """
kind: HorizontalPodAutoscaler
metadata: {namespace: shop, name: web}
spec: {maxReplicas: 10}
status: {currentReplicas: 3, desiredReplicas: 4}
""",
        """
kube_horizontalpodautoscaler_spec_min_replicas{namespace="shop",horizontalpodautoscaler="web"} 1
kube_horizontalpodautoscaler_spec_max_replicas{namespace="shop",horizontalpodautoscaler="web"} 10
kube_horizontalpodautoscaler_status_current_replicas{namespace="shop",horizontalpodautoscaler="web"} 3
kube_horizontalpodautoscaler_status_desired_replicas{namespace="shop",horizontalpodautoscaler="web"} 4
""",
    ),
    Case(
        "a disruption budget",
        """
kind: PodDisruptionBudget
metadata: {namespace: shop, name: web}
status: {currentHealthy: 3, desiredHealthy: 2, disruptionsAllowed: 1, expectedPods: 4, observedGeneration: 5}
""",
        """
kube_poddisruptionbudget_status_current_healthy{namespace="shop",poddisruptionbudget="web"} 3
kube_poddisruptionbudget_status_desired_healthy{namespace="shop",poddisruptionbudget="web"} 2
kube_poddisruptionbudget_status_pod_disruptions_allowed{namespace="shop",poddisruptionbudget="web"} 1
kube_poddisruptionbudget_status_expected_pods{namespace="shop",poddisruptionbudget="web"} 4
kube_poddisruptionbudget_status_observed_generation{namespace="shop",poddisruptionbudget="web"} 5
""",
    ),
    Case(
        "a job that is done",
        "{kind: Job, metadata: {namespace: shop, name: j}, status: {succeeded: 1, conditions: [{type: Complete}]}}",
        """
kube_job_status_succeeded{namespace="shop",job_name="j"} 1
kube_job_status_failed{namespace="shop",job_name="j"} 0
""",
    ),
    Case(
        "a job that failed for a known reason",
        """
kind: Job
metadata: {namespace: shop, name: j}
status: {failed: 2, conditions: [{type: Failed, reason: BackoffLimitExceeded}]}
""",
        """
kube_job_status_succeeded{namespace="shop",job_name="j"} 0
kube_job_status_failed{namespace="shop",job_name="j",reason="BackoffLimitExceeded"} 1
kube_job_status_failed{namespace="shop",job_name="j",reason="DeadlineExceeded"} 0
kube_job_status_failed{namespace="shop",job_name="j",reason="Evicted"} 0
""",
    ),
    Case(
        "a job of which pods failed, and which goes on",
        "{kind: Job, metadata: {namespace: shop, name: j}, status: {failed: 2}}",
        """
kube_job_status_succeeded{namespace="shop",job_name="j"} 0
kube_job_status_failed{namespace="shop",job_name="j",reason=""} 2
""",
    ),
    Case(
        "a cron job that ran",
        """
kind: CronJob
metadata: {namespace: shop, name: backup, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {schedule: "0 2 * * *", suspend: false}
status: {lastScheduleTime: "2026-01-02T02:00:00Z"}
""",
        """
kube_cronjob_spec_suspend{namespace="shop",cronjob="backup"} 0
kube_cronjob_status_last_schedule_time{namespace="shop",cronjob="backup"} 1767319200
kube_cronjob_next_schedule_time{namespace="shop",cronjob="backup"} 1767405600
""",
    ),
    Case(
        "a cron job that is suspended has no next time",
        """
kind: CronJob
metadata: {namespace: shop, name: backup, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {schedule: "0 2 * * *", suspend: true}
""",
        """
kube_cronjob_spec_suspend{namespace="shop",cronjob="backup"} 1
""",
    ),
)
