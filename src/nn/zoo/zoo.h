#pragma once

#include "flatenn/nn/model.h"
#include "nn/graph.h"

/// The networks that come with flatenn: one small file each. zoo.cpp lists them.
namespace flatenn::nn {

/// The graph of options.architecture for options.input and options.classes. Throws Error for an
/// unknown architecture or an image too small for it.
Graph build_graph(const ModelOptions& options);

/// Any number of hidden linear layers (options.hidden).
Graph mlp(const ModelOptions& options);

/// LeCun et al., "Gradient-based learning applied to document recognition" (1998), with ReLU, max
/// pooling and full connections between the convolutions.
Graph lenet5(const ModelOptions& options);

/// He et al., "Deep Residual Learning", arXiv:1512.03385, section 4.2: CIFAR form.
Graph resnet20(const ModelOptions& options);
/// The same in CIFAR form with the stages of ResNet-18; options.width channels in the first.
Graph resnet18(const ModelOptions& options);
/// As torchvision has them (the bottleneck's stride on its 3x3 convolution); images smaller than
/// 64x64 get a 3x3 first convolution without pooling.
Graph resnet34(const ModelOptions& options);
Graph resnet50(const ModelOptions& options);
/// The image classification network of MLPerf Tiny (Banbury et al., arXiv:2106.07597), padded
/// alike on all sides.
Graph resnet8(const ModelOptions& options);

/// Simonyan and Zisserman, arXiv:1409.1556, configurations A and D with batch norm. Where images
/// are so small that one element a channel is left, one linear layer follows in place of three.
Graph vgg11_bn(const ModelOptions& options);
Graph vgg16_bn(const ModelOptions& options);

/// Howard et al., arXiv:1704.04861, with a quarter of the channels: the visual wake words network
/// of MLPerf Tiny, padded alike on all sides.
Graph mobilenetv1_025(const ModelOptions& options);

/// Sandler et al., arXiv:1801.04381. ReLU in place of ReLU6: the quantizers' clips are learned.
/// Images smaller than 64x64 keep their extent in the first convolution and the second stage.
Graph mobilenetv2(const ModelOptions& options);

/// Zhang et al., "Hello Edge", arXiv:1711.07128: the keyword spotting network of MLPerf Tiny.
Graph ds_cnn(const ModelOptions& options);

/// Huang et al., arXiv:1608.06993: DenseNet-BC of 40 layers that grow by 12 channels. Batch norm
/// before a convolution is a layer of its own, one weight a channel.
Graph densenet_bc_40_12(const ModelOptions& options);

}  // namespace flatenn::nn
