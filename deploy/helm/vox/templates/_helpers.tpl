{{- define "vox.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "vox.selector" -}}
app.kubernetes.io/name: vox-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vox.labels" -}}
{{ include "vox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "vox.config" -}}
{{- $tls := dict -}}
{{- if .Values.tls.secretName -}}
{{- $tls = dict "tls_enable" true "tls_cert_file" "/etc/voxray/tls/tls.crt" "tls_key_file" "/etc/voxray/tls/tls.key" -}}
{{- end -}}
{{- merge $tls .Values.config | toPrettyJson -}}
{{- end }}

{{- define "vox.probe" -}}
port: http
{{- if .Values.tls.secretName }}
scheme: HTTPS
{{- end }}
{{- end }}
