{{- define "gatefleet.fullname" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "gatefleet.labels" -}}
app.kubernetes.io/name: gatefleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Labels that choose the pods of one part: root and part in a list. */}}
{{- define "gatefleet.selector" -}}
app.kubernetes.io/name: gatefleet
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "gatefleet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "gatefleet.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "gatefleet.fullname" .) }}
{{- end -}}

{{/* The DSN's source, for one environment variable. */}}
{{- define "gatefleet.dsn" -}}
valueFrom:
  secretKeyRef:
    name: {{ .Values.postgresql.existingSecret | default (printf "%s-postgresql" (include "gatefleet.fullname" .)) }}
    key: {{ .Values.postgresql.existingSecretKey }}
{{- end -}}

{{- define "gatefleet.security" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Apart from each other by default: root, part, affinity given. */}}
{{- define "gatefleet.affinity" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- with index . 2 -}}
{{- toYaml . -}}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "gatefleet.selector" (list $root $part) | nindent 12 }}
{{- end -}}
{{- end -}}
