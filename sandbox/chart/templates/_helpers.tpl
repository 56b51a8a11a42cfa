{{- define "bytebot.version" -}}
{{ .Values.image.tag | default .Values.global.imageTag }}
{{- end }}

{{- define "bytebot.labels" -}}
app: bytebot
environment: {{ .Values.global.environment }}
version: {{ include "bytebot.version" . | quote }}
app.kubernetes.io/name: bytebot
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "bytebot.version" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "bytebot.apiSelector" -}}
app: bytebot
app.kubernetes.io/instance: {{ .Release.Name }}
component: api
{{- end }}

{{- /* A component's pods; given the root and the component's name. */}}
{{- define "bytebot.selector" -}}
app: bytebot
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
component: {{ index . 1 }}
{{- end }}

{{- define "bytebot.desktopImage" -}}
{{ .Values.global.imageRegistry }}/{{ .Values.desktop.image.repository }}
{{- if .Values.desktop.image.digest }}@{{ .Values.desktop.image.digest }}{{ else }}:{{ .Values.desktop.image.tag | default (include "bytebot.version" .) }}{{ end }}
{{- end }}

{{- define "bytebot.desktopTokenEnv" -}}
{{- if and .Values.desktop.enabled .Values.desktop.requireToken }}
- name: DESKTOP_SERVICE_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .Values.desktop.existingSecret }}, key: service-token}}
{{- end }}
{{- end }}

{{- define "bytebot.image" -}}
{{ .Values.global.imageRegistry }}/{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ include "bytebot.version" . }}{{ end }}
{{- end }}

{{- define "bytebot.probe" -}}
httpGet: {path: {{ .path }}, port: http}
initialDelaySeconds: {{ .initialDelaySeconds }}
periodSeconds: {{ .periodSeconds }}
timeoutSeconds: {{ .timeoutSeconds }}
failureThreshold: {{ .failureThreshold }}
{{- end }}

{{- /* What every pod of the release has: no token for the Kubernetes API, and the restricted security context. */}}
{{- define "bytebot.pod" -}}
serviceAccountName: bytebot-service-account
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "bytebot.container" -}}
image: {{ include "bytebot.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources: {{- toYaml .Values.resources.api | nindent 2 }}
securityContext: {{- toYaml .Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{- define "bytebot.databaseEnv" -}}
- name: DATABASE_USER
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: username}}
- name: DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: password}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if eq (index .Values.env "ENABLE_AUTHENTICATION" | toString) "false" }}
- name: AUTHENTICATION_OFF_AS
  valueFrom: {secretKeyRef: {name: {{ .Values.bootstrapAdmin.existingSecret }}, key: username}}
{{- end }}
{{- end }}

{{- /* The first accounts: the administrator's Secret is needed, and another role's where it is named. */}}
{{- define "bytebot.bootstrapEnv" -}}
{{- $accounts := .Values.bootstrapAccounts }}
{{- $secrets := dict "ADMIN" .Values.bootstrapAdmin "OPERATOR" $accounts.operator "VIEWER" $accounts.viewer "API_CONSUMER" $accounts.apiConsumer }}
{{- range $role, $from := $secrets }}
{{- with $from.existingSecret }}
- name: BOOTSTRAP_{{ $role }}_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: BOOTSTRAP_{{ $role }}_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}
{{- end }}

{{- /* What verifies tokens: the pairs of profile A as files, the word of profile B as a variable. */}}
{{- define "bytebot.jwtEnv" -}}
{{- if eq .Values.security.jwt.profile "B" }}
- name: JWT_SECRET
  valueFrom: {secretKeyRef: {name: {{ .Values.security.jwt.sharedSecret }}, key: jwt-secret}}
{{- end }}
{{- end }}

{{- define "bytebot.jwtMount" -}}
{{- if eq .Values.security.jwt.profile "A" }}
- {name: jwt-keys, mountPath: /etc/bytebot/jwt, readOnly: true}
{{- end }}
{{- end }}

{{- /* The files are readable for fsGroup, which is the only one of the pod's identities that owns them. */}}
{{- define "bytebot.jwtVolume" -}}
{{- if eq .Values.security.jwt.profile "A" }}
- name: jwt-keys
  secret: {secretName: {{ .Values.security.jwt.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- /* For what verifies tokens and never signs one: the public keys alone. */}}
{{- define "bytebot.jwtPublicVolume" -}}
{{- if eq .Values.security.jwt.profile "A" }}
- name: jwt-keys
  secret:
    secretName: {{ .Values.security.jwt.existingSecret }}
    defaultMode: 0440
    items:
      - {key: access-token-public-key, path: access-token-public-key}
      - {key: refresh-token-public-key, path: refresh-token-public-key}
{{- end }}
{{- end }}
