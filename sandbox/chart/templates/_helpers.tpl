{{- define "bytebot.labels" -}}
app: bytebot
environment: {{ .Values.global.environment }}
app.kubernetes.io/name: bytebot
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.global.imageTag | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "bytebot.apiSelector" -}}
app: bytebot
app.kubernetes.io/instance: {{ .Release.Name }}
component: api
{{- end }}

{{- define "bytebot.image" -}}
{{ .Values.global.imageRegistry }}/{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.global.imageTag }}{{ end }}
{{- end }}

{{- define "bytebot.probe" -}}
httpGet: {path: {{ .path }}, port: http}
initialDelaySeconds: {{ .initialDelaySeconds }}
periodSeconds: {{ .periodSeconds }}
timeoutSeconds: {{ .timeoutSeconds }}
failureThreshold: {{ .failureThreshold }}
{{- end }}

{{- define "bytebot.databaseEnv" -}}
- name: DATABASE_USER
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: username}}
- name: DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: password}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
