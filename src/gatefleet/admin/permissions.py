"""Which permission every action of the Admin API needs: its name in policies and the resource it is about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

GROUP: Final = "arn:api7:gateway:gatewaygroup/{group}"
SERVICE: Final = GROUP + "/publishedservice/{service}"
TEMPLATE: Final = "arn:api7:gateway:servicetemplate/{template}"
SETTING: Final = "arn:api7:gateway:gatewaysetting/*"
APPROVAL: Final = "arn:api7:gateway:approval/{id}"
USER: Final = "arn:api7:iam:user/{id}"
ROLE: Final = "arn:api7:iam:role/{id}"
POLICY: Final = "arn:api7:iam:permissionpolicy/{id}"
ORGANIZATION: Final = "arn:api7:iam:organization/*"
READ: Final = ("List", "Get")


@dataclass(frozen=True, slots=True)
class Permission:
    """What a policy must allow. `{group}`, `{service}`, `{template}` and `{id}` come from the request; `*` for none."""

    action: str
    resource: str


def _crud(ours: str, noun: str, resource: str, area: str = "gateway") -> Iterator[tuple[str, Permission]]:
    for verb in READ:
        yield verb + ours, Permission(f"{area}:Get{noun}", resource)
    for verb in ("Create", "Update", "Delete"):
        yield verb + ours, Permission(f"{area}:{verb}{noun}", resource)


def _secret() -> Iterator[tuple[str, Permission]]:
    for verb, theirs in (("List", "Get"), ("Get", "Get"), ("Create", "Put"), ("Update", "Put"), ("Delete", "Delete")):
        yield f"{verb}SecretProvider", Permission(f"gateway:{theirs}Secret", GROUP)


_KINDS: Final = (
    ("Service", "PublishedService", SERVICE),
    ("Upstream", "PublishedService", SERVICE),
    ("Route", "PublishedService", SERVICE),
    ("StreamRoute", "PublishedService", SERVICE),
    ("Consumer", "Consumer", GROUP),
    ("ConsumerCredential", "Consumer", GROUP),
    ("Ssl", "Certificate", GROUP),
    ("Certificate", "Certificate", GROUP),
    ("CaCertificate", "Certificate", GROUP),
    ("Sni", "SNI", GROUP),
    ("GlobalRule", "GlobalPluginRule", GROUP),
    ("PluginMetadata", "PluginMetadata", GROUP),
    ("Proto", "Proto", GROUP),
    ("GatewayGroup", "GatewayGroup", GROUP),
    ("ServiceTemplate", "ServiceTemplate", TEMPLATE),
    ("RouteTemplate", "ServiceTemplate", TEMPLATE),
    ("StreamRouteTemplate", "ServiceTemplate", TEMPLATE),
    ("ApprovalRule", "ApprovalRule", SETTING),
)
_ONE_BY_ONE: Final = {
    **dict.fromkeys(
        ("PublishServices", "SyncService", "RollbackService"), Permission("gateway:PublishServices", SERVICE)
    ),
    "CheckServiceConflicts": Permission("gateway:GetPublishedService", SERVICE),
    "ListPublishedServices": Permission("gateway:GetServiceTemplate", TEMPLATE),
    "GetServiceVersion": Permission("gateway:GetServiceTemplate", TEMPLATE),
    **dict.fromkeys(("ConvertOpenApi", "ImportService"), Permission("gateway:CreateServiceTemplate", TEMPLATE)),
    "ExportService": Permission("gateway:GetServiceTemplate", TEMPLATE),
    "ListPermittedUsers": Permission("iam:GetUser", USER),
    "RevealSecrets": Permission("gateway:RevealSecrets", SERVICE),
    "UpdateServiceRuntime": Permission("gateway:UpdatePublishedService", SERVICE),
    "ValidateConfiguration": Permission("gateway:GetGatewayGroup", GROUP),
    "ListInstances": Permission("gateway:GetGatewayInstance", GROUP),
    "CreateInstanceToken": Permission("gateway:CreateGatewayInstance", GROUP),
    "CreateClientCertificate": Permission("gateway:CreateGatewayInstance", GROUP),
    **dict.fromkeys(
        ("RevokeInstance", "DeleteInstance", "RevokeClientCertificate", "DeleteInstanceToken"),
        Permission("gateway:CreateGatewayInstance", GROUP),
    ),
    **dict.fromkeys(
        ("ListClientCertificates", "ListInstanceTokens", "ListSnapshotKeys"),
        Permission("gateway:GetGatewayInstance", GROUP),
    ),
    **dict.fromkeys(("RotateSnapshotKeys", "CreateDrill"), Permission("gateway:UpdateGatewayGroup", GROUP)),
    "CreateRequestTest": Permission("gateway:TestRequest", GROUP),
    **dict.fromkeys(("ListDrills", "GetDrill"), Permission("gateway:GetGatewayInstance", GROUP)),
    **dict.fromkeys(("GetCertificateUsage", "GetCaCertificateUsage"), Permission("gateway:GetCertificate", GROUP)),
    "GetProtoUsage": Permission("gateway:GetProto", GROUP),
    "GetSecretProviderUsage": Permission("gateway:GetSecret", GROUP),
    **dict.fromkeys(
        ("CompareGatewayGroup", "CompareServices", "GetConfiguration", "GetRevision", "ListRevisions"),
        Permission("gateway:GetConfiguration", GROUP),
    ),
    **dict.fromkeys(("GetReceipt", "ListReceipts"), Permission("gateway:GetGatewayGroup", GROUP)),
    **dict.fromkeys(("ApplyConfiguration", "RestoreRevision"), Permission("gateway:ApplyConfiguration", GROUP)),
    **dict.fromkeys(("GetApproval", "ListApprovals"), Permission("gateway:GetApproval", APPROVAL)),
    "DecideApproval": Permission("gateway:DecideApproval", APPROVAL),
    **dict.fromkeys(("ListRings", "GetRing"), Permission("gateway:GetPublishedService", SERVICE)),
    **dict.fromkeys(("CreateRing", "PromoteRing", "RollbackRing"), Permission("gateway:PublishServices", SERVICE)),
    **dict.fromkeys(
        ("ListServiceRegistry", "GetServiceRegistry", "GetServiceRegistryUsage"),
        Permission("gateway:GetServiceRegistry", GROUP),
    ),
    "CreateServiceRegistry": Permission("gateway:ConnectServiceRegistry", GROUP),
    "UpdateServiceRegistry": Permission("gateway:UpdateServiceRegistry", GROUP),
    "DeleteServiceRegistry": Permission("gateway:DisconnectServiceRegistry", GROUP),
    "GetSystemSettings": Permission("gateway:GetDeploymentSetting", SETTING),
    "UpdateSystemSettings": Permission("gateway:UpdateDeploymentSetting", SETTING),
    "GetPrometheus": Permission("gateway:GetDeploymentSetting", SETTING),
    "UpdatePrometheus": Permission("gateway:UpdateDeploymentSetting", SETTING),
    "QueryPrometheus": Permission("gateway:QueryPrometheus", SETTING),
    "GetLicense": Permission("iam:UpdateLicense", ORGANIZATION),
    "UpdateLicense": Permission("iam:UpdateLicense", ORGANIZATION),
    "ListAuditLogs": Permission("iam:GetAudit", ORGANIZATION),
    "ExportAuditLogs": Permission("iam:ExportAudits", ORGANIZATION),
    "FindToken": Permission("iam:GetUser", USER),
    "RevokeToken": Permission("iam:DeleteUser", USER),
    "ListUsers": Permission("iam:GetUser", USER),
    **dict.fromkeys(("GetUser", "ExplainDecision"), Permission("iam:GetUser", USER)),
    "CreateUser": Permission("iam:InviteUser", USER),
    "UpdateUserRoles": Permission("iam:UpdateUserRole", USER),
    "UpdateUserBoundary": Permission("iam:UpdateUserRole", USER),
    "ResetPassword": Permission("iam:ResetPassword", USER),
    "DeleteUser": Permission("iam:DeleteUser", USER),
    **dict.fromkeys(("ListAuditSinks", "GetAuditSink"), Permission("iam:GetAudit", ORGANIZATION)),
    **{f"{verb}AuditSink": Permission(f"iam:{verb}AuditSink", ORGANIZATION) for verb in ("Create", "Update", "Delete")},
    **dict.fromkeys(("ListLoginOptions", "GetLoginOption"), Permission("iam:GetLoginOption", ORGANIZATION)),
    **{
        f"{verb}LoginOption": Permission(f"iam:{verb}LoginOption", ORGANIZATION)
        for verb in ("Create", "Update", "Delete")
    },
    "ListRoles": Permission("iam:GetRole", ROLE),
    "GetRole": Permission("iam:GetRole", ROLE),
    "CreateRole": Permission("iam:CreateCustomRole", ROLE),
    "UpdateRole": Permission("iam:UpdateCustomRole", ROLE),
    "DeleteRole": Permission("iam:DeleteCustomRole", ROLE),
    "ListPermissionPolicies": Permission("iam:GetPermissionPolicy", POLICY),
    "GetPermissionPolicy": Permission("iam:GetPermissionPolicy", POLICY),
    "CreatePermissionPolicy": Permission("iam:CreatePermissionPolicy", POLICY),
    "UpdatePermissionPolicy": Permission("iam:UpdatePermissionPolicy", POLICY),
    "DeletePermissionPolicy": Permission("iam:DeletePermissionPolicy", POLICY),
}
PERMISSIONS: Final[Mapping[str, Permission]] = {
    **{action: needed for kind in _KINDS for action, needed in _crud(*kind)},
    **dict(_secret()),
    **_ONE_BY_ONE,
}
"""By the action an endpoint declares. An action that is not here is left to administrators."""
