data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  tags      = merge(var.tags, { porpoise = var.name })

  templates = {
    home  = jsonencode(jsondecode(file(coalesce(try(var.templates.home, null), "${path.module}/templates/home.json"))))
    place = jsonencode(jsondecode(file(coalesce(try(var.templates.place, null), "${path.module}/templates/place.json"))))
  }

  # where jobs run beside home, as the functions know it
  buses = {
    for region in setsubtract(var.data_regions, [var.home_region]) : "${local.partition}.${region}.${local.account}" =>
    "arn:${local.partition}:events:${region}:${local.account}:event-bus/${var.name}"
  }

  # who reads logs of jobs there
  pollers = [
    for region in setsubtract(var.data_regions, [var.home_region]) :
    "arn:${local.partition}:lambda:${region}:${local.account}:function:${var.name}-poller"
  ]

  common = {
    Name             = var.name
    Architecture     = var.architecture
    LogRetentionDays = tostring(var.log_retention_days)
    ArtefactPrefix   = local.prefix
  }
}

resource "aws_cloudformation_stack" "home" {
  name         = "${var.name}-home"
  region       = var.home_region
  template_url = local.template_urls["${var.home_region}/home"]
  capabilities = ["CAPABILITY_NAMED_IAM"]
  tags         = local.tags

  parameters = merge(local.common, {
    ArtefactBucket     = aws_s3_bucket.artefacts[var.home_region].bucket
    ReserveConcurrency = var.reserve_concurrency ? "yes" : "no"
    HomeIsPlace        = contains(var.data_regions, var.home_region) ? "yes" : "no"
    Buses              = jsonencode(local.buses)
    BusArns            = join(",", values(local.buses))
    PollerArns         = join(",", local.pollers)
  })

  depends_on = [aws_s3_object.function, aws_s3_object.template]
}

resource "aws_cloudformation_stack" "place" {
  for_each = var.data_regions

  name         = "${var.name}-place"
  region       = each.key
  template_url = local.template_urls["${each.key}/place"]
  capabilities = ["CAPABILITY_NAMED_IAM"]
  tags         = local.tags

  parameters = merge(local.common, {
    ArtefactBucket = aws_s3_bucket.artefacts[each.key].bucket
    HomeRegion     = var.home_region
    HasBus         = each.key == var.home_region ? "no" : "yes"
  })

  depends_on = [aws_s3_object.function, aws_s3_object.template]
}
