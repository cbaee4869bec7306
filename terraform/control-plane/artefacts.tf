# CloudFormation takes zips and large templates from a bucket of its own region only, so there is one in each.

locals {
  regions = setunion([var.home_region], var.data_regions)

  functions = {
    home  = ["api", "stepper", "trigger"]
    place = ["dispatcher", "poller"]
  }

  zips = { for name in concat(local.functions.home, local.functions.place) : name => "${var.functions}/${name}/bootstrap.zip" }

  # another prefix for other zips, so that a new release is a change of a parameter, and the one before stays there
  prefix = "${substr(sha256(join("", [for name in sort(keys(local.zips)) : filesha256(local.zips[name])])), 0, 16)}/"

  kinds = merge(
    { (var.home_region) = contains(var.data_regions, var.home_region) ? ["home", "place"] : ["home"] },
    { for region in var.data_regions : region => ["place"] if region != var.home_region },
  )

  uploads = merge([
    for region, kinds in local.kinds : {
      for name in flatten([for kind in kinds : local.functions[kind]]) : "${region}/${name}" => { region = region, name = name }
    }
  ]...)

  stacks = merge([
    for region, kinds in local.kinds : { for kind in kinds : "${region}/${kind}" => { region = region, kind = kind } }
  ]...)

  template_urls = {
    for key, object in aws_s3_object.template :
    key => "https://${aws_s3_bucket.artefacts[local.stacks[key].region].bucket_regional_domain_name}/${object.key}"
  }
}

resource "aws_s3_bucket" "artefacts" {
  for_each = local.regions

  bucket        = "${var.name}-artefacts-${local.account}-${each.key}"
  region        = each.key
  force_destroy = true # it holds nothing that cannot be made again
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "artefacts" {
  for_each = local.regions

  bucket                  = aws_s3_bucket.artefacts[each.key].id
  region                  = each.key
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "artefacts" {
  for_each = local.regions

  bucket = aws_s3_bucket.artefacts[each.key].id
  region = each.key
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyByTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.artefacts[each.key].arn, "${aws_s3_bucket.artefacts[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.artefacts]
}

resource "aws_s3_object" "function" {
  for_each = local.uploads

  bucket      = aws_s3_bucket.artefacts[each.value.region].id
  region      = each.value.region
  key         = "${local.prefix}${each.value.name}.zip"
  source      = local.zips[each.value.name]
  source_hash = filesha256(local.zips[each.value.name])
}

resource "aws_s3_object" "template" {
  for_each = local.stacks

  bucket  = aws_s3_bucket.artefacts[each.value.region].id
  region  = each.value.region
  key     = "templates/${each.value.kind}-${substr(sha256(local.templates[each.value.kind]), 0, 16)}.json"
  content = local.templates[each.value.kind]
}
